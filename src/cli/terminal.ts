import { escapeText } from './escape.ts';

/** Where a command writes: results to standard output, talk to standard error. */
export interface Terminal {
  /** Whether a person watches standard error. */
  readonly isWatched: boolean;
  readonly columns: number;
  /** A result, already escaped by its view. */
  print(text: string): void;
  /** A remark for the person. */
  say(text: string): void;
  /** Lines that take the place of the ones shown before. */
  showLive(lines: readonly string[]): void;
}

export function createTerminal(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Terminal {
  let live = 0;
  const clear = (): void => {
    if (live > 0) stderr.write(`\u001b[${live}A\u001b[J`);
    live = 0;
  };
  return {
    isWatched: stderr.isTTY === true,
    columns: stderr.columns ?? 100,
    print(text) {
      clear();
      stdout.write(`${text}\n`);
    },
    say(text) {
      clear();
      stderr.write(`${escapeText(text)}\n`);
    },
    showLive(lines) {
      clear();
      stderr.write(lines.map((line) => `${line}\n`).join(''));
      live = lines.length;
    },
  };
}

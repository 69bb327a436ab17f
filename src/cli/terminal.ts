import { isFailure, toFileFailure, type Failure } from '../errors.ts';
import { completeCommands } from './cli.ts';
import { escapeText } from './escape.ts';

/** Where a command writes: results to standard output, talk to standard error. */
export interface Terminal {
  /** Whether a person watches standard error. */
  readonly isWatched: boolean;
  /** Of standard error. */
  readonly columns: number;
  /** The width that tables keep to: that of the terminal, or what COLUMNS says; Infinity for a file or a pipe. */
  readonly width: number;
  /** Whether a person reads standard output as it is written. */
  readonly isScreen: boolean;
  /** Adds to standard output what is meant for a program, and waits until there is room for more. */
  write(text: string): Promise<void>;
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
    // The cursor may stand behind a `^C`, which the terminal itself has written.
    if (live > 0) stderr.write(`\r\u001b[${live}A\u001b[J`);
    live = 0;
  };
  return {
    // A terminal that calls itself dumb cannot move its cursor.
    isWatched: stderr.isTTY === true && process.env['TERM'] !== 'dumb',
    columns: stderr.columns ?? 100,
    width: stdout.columns ?? readWidth(process.env['COLUMNS']),
    isScreen: stdout.isTTY === true,
    async write(text) {
      clear();
      await new Promise<void>((resolve) => void stdout.write(text, () => resolve()));
    },
    print(text) {
      clear();
      stdout.write(`${text}\n`);
    },
    say(text) {
      clear();
      stderr.write(`${escapeText(completeCommands(text))}\n`);
    },
    showLive(lines) {
      clear();
      stderr.write(lines.map((line) => `${line}\n`).join(''));
      live = lines.length;
    },
  };
}

/** A line every so often is enough for a log. */
const progressMs = 10_000;

/** Shows how far something is: a person sees one line that changes, a log gets a line now and then. */
export function createProgress(terminal: Terminal, now: () => number = () => performance.now()): (text: string) => void {
  let [saidAt, about] = [-Infinity, ''];
  return (text) => {
    if (terminal.isWatched) return terminal.showLive([escapeText(text)]);
    const subject = text.split(':', 1)[0]!;
    if (subject === about && now() - saidAt < progressMs) return;
    [saidAt, about] = [now(), subject];
    terminal.say(text);
  };
}

function readWidth(columns: string | undefined): number {
  return columns !== undefined && /^[1-9]\d{0,4}$/.test(columns) ? Number(columns) : Infinity;
}

/**
 * Calls back when an output ends early: with null where its reader is gone, as `head` is after its lines, and with the Failure where there is
 * no space left. Another error of an output is thrown.
 */
export function onOutputClosed(streams: readonly NodeJS.WriteStream[], callback: (failure: Failure | null) => void): () => void {
  const listen = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') return callback(null);
    const failure = toFileFailure(error, 'output', 'standard output');
    if (!isFailure(failure, 'disk-full')) throw error;
    callback(failure);
  };
  for (const stream of streams) stream.on('error', listen);
  return () => {
    for (const stream of streams) stream.off('error', listen);
  };
}

/** Waits until everything is written, or has failed and the failure was told. */
export async function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.errored === null && !stream.destroyed) await new Promise<void>((resolve) => void stream.write('', () => resolve()));
  await new Promise((resolve) => void setImmediate(resolve));
}

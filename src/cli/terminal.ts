import { fstatSync, writeSync } from 'node:fs';
import { Failure, isFailure, toFileFailure } from '../errors.ts';
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
  const put = createWriter(stdout);
  const clear = (): void => {
    // The cursor may stand behind a `^C`, which the terminal itself has written.
    if (live > 0) stderr.write(`\r\u001b[${live}A\u001b[J`);
    live = 0;
  };
  return {
    isWatched: stderr.isTTY === true && canMoveCursor(process.env['TERM']),
    columns: stderr.columns ?? 100,
    width: stdout.columns ?? readWidth(process.env['COLUMNS']),
    isScreen: stdout.isTTY === true,
    async write(text) {
      clear();
      await new Promise<void>((resolve) => put(text, resolve));
    },
    print(text) {
      clear();
      put(`${text}\n`);
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

/** A terminal that calls itself dumb cannot; one without a name may not. Windows names none. */
function canMoveCursor(name = ''): boolean {
  return name === '' ? process.platform === 'win32' : name !== 'dumb' && name !== 'unknown';
}

/**
 * Node's own stream for a file takes a part of a text for the whole of it, which is all that is written where the disk is nearly full: what
 * is missing would be missed by nobody.
 */
function createWriter(stream: NodeJS.WriteStream): (text: string, done?: () => void) => void {
  const fd = getFile(stream);
  if (fd === null) return (text, done) => void stream.write(text, () => done?.());
  return (text, done) => {
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } catch (error) {
      stream.emit('error', error);
    }
    done?.();
  };
}

/** The number of an open file; null for a terminal or a pipe. */
function getFile(stream: NodeJS.WriteStream): number | null {
  return 'fd' in stream && typeof stream.fd === 'number' && fstatSync(stream.fd).isFile() ? stream.fd : null;
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
 * Calls back when an output ends early: with null where its reader is gone, as `head` is after its lines or a terminal that was closed, and
 * with the Failure where there is no space left, or whatever else is wrong.
 */
export function onOutputClosed(streams: readonly NodeJS.WriteStream[], callback: (failure: Failure | null) => void): () => void {
  const listen = function (this: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
    if (['EPIPE', 'ECONNRESET', ...(getFile(this) === null ? ['EIO'] : [])].includes(error.code ?? '')) return callback(null);
    const failure = toFileFailure(error, 'output', 'standard output');
    callback(isFailure(failure) ? failure : new Failure('unexpected', `the output cannot be written: ${error.message}`, { error }));
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

/** A process of the trainer that is kept for many requests. Each request has an identifier, and so has each line that answers it. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { isFailure, type Failure } from '../../src/errors.ts';
import { isObject, parseJsonOr } from '../../src/lib/json.ts';
import type { AnsweringProcess } from '../../src/lib/process.ts';
import { parsePredictFailure } from './process-failure.ts';

/** A line of an answer. */
export type AnswerLine = Readonly<Record<string, unknown>>;

export interface Exchange {
  /**
   * The lines that answer a request, up to the last one. A reader who stops before that cancels the request. Where the process has died
   * before the first line, the request is asked once more of a new process.
   * @throws Failure of the process that has died, or the signal's reason
   */
  ask(request: object, signal: AbortSignal): AsyncGenerator<AnswerLine>;
  close(): Promise<void>;
}

interface Protocol {
  start(): AnsweringProcess;
  /** The first line on standard input. */
  readonly first: object;
  /** Whether a line is the last one of its answer. */
  isLast(line: AnswerLine): boolean;
  /** Whether the process takes `{id, cancel: true}`. */
  readonly canCancel: boolean;
}

/** Starts no process before the first request. */
export function createExchange(protocol: Protocol): Exchange {
  let running: Running | null = null;
  let count = 0;
  let isClosed = false;
  const findRunning = (): Running => {
    if (running === null || running.hasDied()) running = startProcess(protocol);
    return running;
  };
  return {
    async *ask(request, signal) {
      for (let mayRepeat = true; ; mayRepeat = false) {
        signal.throwIfAborted();
        const alive = findRunning();
        let hasBegun = false;
        try {
          for await (const line of alive.ask({ id: String(++count), ...request }, signal)) {
            hasBegun = true;
            yield line;
          }
          return;
        } catch (error) {
          if (!alive.hasDied() || hasBegun || !mayRepeat || isClosed || signal.aborted || !isFailure(error)) throw error;
        }
      }
    },
    async close() {
      isClosed = true;
      await running?.close();
    },
  };
}

interface Running {
  hasDied(): boolean;
  ask(request: { readonly id: string }, signal: AbortSignal): AsyncIterable<AnswerLine>;
  close(): Promise<void>;
}

/** How much of what it prints on standard error is kept: its last words say why it has died. */
const keptErrors = 20_000;

function startProcess({ start, first, isLast, canCancel }: Protocol): Running {
  const child = start();
  const { stdin, stdout, stderr } = child as Required<typeof child> & typeof child;
  const readers = new Map<string, ReadableStreamDefaultController<AnswerLine>>();
  let isDead = false;
  let printed = '';
  const send = (line: object): void => void stdin!.write(`${JSON.stringify(line)}\n`);
  const die = (failure: Failure): void => {
    isDead = true;
    for (const reader of readers.values()) reader.error(failure);
    readers.clear();
  };
  stdin!.on('error', () => {}); // a process that dies closes the pipe; its end says why
  stderr!.on('data', (chunk: Buffer) => (printed = `${printed}${chunk.toString()}`.slice(-keptErrors)));
  createInterface({ input: stdout! }).on('line', (text) => {
    const line = parseJsonOr(text, null);
    const reader = isObject(line) ? readers.get(String(line['id'])) : undefined;
    if (!isObject(line) || reader === undefined) return; // of a request that was cancelled
    reader.enqueue(line);
    if (!isLast(line)) return;
    readers.delete(String(line['id']));
    reader.close();
  });
  child.on('error', (error) => die(parsePredictFailure(error.message, null)));
  const closed = once(child, 'close').then(
    ([status]: unknown[]) => die(parsePredictFailure(printed, status as number | null)),
    () => {}, // 'error' has told it
  );
  send(first);
  const cancel = (id: string): void => {
    if (readers.delete(id) && canCancel) send({ id, cancel: true });
  };
  return {
    hasDied: () => isDead,
    async *ask(request, signal) {
      const { id } = request;
      const lines = new ReadableStream<AnswerLine>({
        start(reader) {
          readers.set(id, reader);
          send(request);
        },
        cancel: () => cancel(id),
      });
      const stop = (): void => {
        readers.get(id)?.error(signal.reason);
        cancel(id);
      };
      signal.addEventListener('abort', stop, { once: true });
      try {
        yield* lines;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    async close() {
      child.kill();
      await closed;
    },
  };
}

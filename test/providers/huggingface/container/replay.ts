import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { FailureCause } from '../../../../src/errors.ts';
import type { EngineEvent } from '../../../../src/provider-kit/trainer-events.ts';

/** What `replay.py` is asked; see there. */
export interface Replay {
  readonly lines?: readonly string[];
  readonly path?: string;
  readonly epochs?: number | null;
  /** Bytes that are read at once. */
  readonly chunk?: number;
  readonly speaksEvents?: boolean;
  readonly state?: string;
  /** Between two readings of the clock. */
  readonly seconds?: number;
}

/** A line of the engine, or an event without its number and time. */
export type Output = readonly (string | { readonly type: string })[];

export interface FoundFailure {
  readonly code: string;
  readonly cause?: FailureCause;
  readonly message: string;
  readonly hint: string;
}

export interface Replayed {
  readonly output: Output;
  /** Without their times. */
  readonly events: readonly EngineEvent[];
  /** The lines of the engine that are passed on. */
  readonly printed: readonly string[];
  /** The failure of an engine that ended with 0, and of one that did not. */
  readonly hidden: FoundFailure | null;
  readonly failed: FoundFailure | null;
}

/** Reads logs as the program in the container does, in real Python. */
export interface Replayer extends AsyncDisposable {
  replay(request: Replay): Promise<Replayed>;
}

export function startReplayer(): Replayer {
  const child = spawn('python3', [resolve('test/providers/huggingface/container/replay.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async replay(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await answers.next();
      if (done === true) throw new Error('expected an answer of python3 (3.10 or later), found its end');
      const replayed = JSON.parse(value) as Replayed;
      const printed = replayed.output.filter((one) => typeof one === 'string');
      return { ...replayed, printed, events: replayed.output.filter((one) => typeof one !== 'string') as unknown as EngineEvent[] };
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

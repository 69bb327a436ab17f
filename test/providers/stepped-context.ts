import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import type { Row } from '../../src/dataset/row.ts';
import { Secret } from '../../src/provider-kit/http.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { toMemoryPlan } from '../run/memory-provider.ts';

const plan = toMemoryPlan('a');

export const key = plan.key;
export const facts: DataFacts = { ...plan.facts, train: { ...plan.facts.train, rows: 12 } };

export const rows: readonly Row[] = Array.from({ length: 12 }, (_, i) => ({
  text: `the text of row ${i}`,
  label: i % 2 === 0 ? 'no' : 'yes',
}));

/** A clock that stands still until somebody waits; each wait is heard. */
export interface SteppedClock {
  now(): number;
  pass(ms: number): void;
}

export function createSteppedClock(onPass: (ms: number) => void = () => {}): SteppedClock {
  let nowMs = Date.parse('2026-11-22T12:00:00Z');
  return {
    now: () => nowMs,
    pass(ms) {
      nowMs += ms;
      onPass(ms);
    },
  };
}

export interface ContextSettings {
  readonly clock: SteppedClock;
  /** Settings and credentials. */
  readonly values: Readonly<Record<string, string | null>>;
  readonly rows?: readonly Row[] | undefined;
  readonly facts?: DataFacts | undefined;
}

/** Makes contexts of attempts, each run with a work folder of its own. */
export interface Contexts {
  readonly folder: string;
  toAttempt(key?: RunKey, attempt?: number, signal?: AbortSignal): Attempt;
  remove(): void;
}

export function createContexts({ clock, values, rows: held = rows, facts: known = facts }: ContextSettings): Contexts {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  return {
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
    toAttempt(runKey = key, attempt = 1, signal = new AbortController().signal) {
      const workDir = join(folder, runKey);
      mkdirSync(workDir, { recursive: true });
      return {
        signal,
        now: () => new Date(clock.now()),
        async wait(ms) {
          signal.throwIfAborted();
          clock.pass(ms);
          await Promise.resolve();
        },
        setting: (name) => values[name] ?? null,
        credential: (name) => (values[name] == null ? null : new Secret(values[name])),
        key: runKey,
        attempt,
        workDir,
        facts: known,
        async *readRows() {
          yield* await Promise.resolve(held);
        },
      };
    },
  };
}

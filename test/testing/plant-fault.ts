import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import { defineProvider, type Provider, type Training, type Translation } from '../../src/provider/provider.ts';
import type { Note } from '../../src/provider/note.ts';
import type { MemoryEnvironment } from './memory-target.ts';

export type Change = (provider: Provider, fixture: MemoryEnvironment) => Provider;
type MemoryObservation = Observation<{ seen: number }>;

/** One thing that a provider may do wrong, and the conformance test that must notice it. */
export interface Fault {
  readonly brokenTest: string;
  /** What the provider does, as the end of "a provider that …". */
  readonly fault: string;
  readonly change: Change;
}

/** Replaces functions of the provider's training. */
export function replace(change: (training: Training, fixture: MemoryEnvironment) => Partial<Training>): Change {
  return (provider, fixture) => defineProvider({ ...provider, training: { ...provider.training, ...change(provider.training, fixture) } });
}

export function changeTranslation(
  change: (t: Translation<Record<string, unknown>>, input: Parameters<Training['translate']>[0]) => object,
): Change {
  return replace(({ translate }) => ({
    translate: (input) => {
      const translation = translate(input) as Translation<Record<string, unknown>>;
      return { ...translation, ...change(translation, input) };
    },
  }));
}

export function changeNotes(change: (note: Exclude<Note, { type: 'warning' }>) => readonly Note[]): Change {
  return changeTranslation(({ notes }) => ({ notes: notes.flatMap((note) => (note.type === 'warning' ? note : change(note))) }));
}

type ObservationChange = (
  seen: MemoryObservation,
  of: { job: JobRef; cursor: { seen: number } | null; context: Attempt; fixture: MemoryEnvironment },
) => object | Promise<object>;

export function changeObservation(change: ObservationChange): Change {
  return replace(({ observe }, fixture) => ({
    async observe(job, cursor, context) {
      const seen = (await observe(job, cursor, context)) as MemoryObservation;
      return { ...seen, ...(await change(seen, { job, cursor: cursor as { seen: number } | null, context, fixture })) };
    },
  }));
}

/** Changes each job that it creates or lists. */
export function changeJobs(change: Partial<JobRef>): Change {
  return replace(({ create, find }) => ({
    create: async (...args) => ({ ...(await create(...args)), ...change }),
    find: async (...args) => (await find(...args)).map((job) => ({ ...job, ...change })),
  }));
}

export function listFaults(brokenTest: string, changes: Readonly<Record<string, Change>>): Fault[] {
  return Object.entries(changes).map(([fault, change]) => ({ brokenTest, fault, change }));
}

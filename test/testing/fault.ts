import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef, Observation } from '../../src/provider/job.ts';
import type { Provider, Translation } from '../../src/provider/provider.ts';
import type { Note } from '../../src/provider/note.ts';
import type { MemoryWorld } from './correct-provider.ts';

export type Change = (provider: Provider, world: MemoryWorld) => Provider;
type Look = Observation<{ seen: number }>;

/** One thing that a provider may do wrong, by the law that must notice it. */
export interface Fault {
  readonly law: string;
  readonly fault: string;
  readonly change: Change;
}

export function replace(change: (provider: Provider, world: MemoryWorld) => Partial<Provider>): Change {
  return (provider, world) => Object.freeze({ ...provider, ...change(provider, world) });
}

export function changeTranslation(
  change: (t: Translation<Record<string, unknown>>, input: Parameters<Provider['translate']>[0]) => object,
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

type LookChange = (
  seen: Look,
  of: { job: JobRef; cursor: { seen: number } | null; c: Attempt; world: MemoryWorld },
) => object | Promise<object>;

export function changeLook(change: LookChange): Change {
  return replace(({ observe }, world) => ({
    async observe(job, cursor, c) {
      const seen = (await observe(job, cursor, c)) as Look;
      return { ...seen, ...(await change(seen, { job, cursor: cursor as { seen: number } | null, c, world })) };
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

export function toFaults(law: string, changes: Readonly<Record<string, Change>>): Fault[] {
  return Object.entries(changes).map(([fault, change]) => ({ law, fault, change }));
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  SubmitFailure,
  type Attempt,
  type JobRef,
  type Observation,
  type Provider,
  type Translation,
} from '../../src/contract/provider.ts';
import type { Note } from '../../src/contract/note.ts';
import type { Phase } from '../../src/contract/status.ts';
import { at, endJob, words, type MemoryWorld } from './lawful-provider.ts';

type Change = (provider: Provider, world: MemoryWorld) => Provider;
type Look = Observation<{ seen: number }>;

/** One thing that a provider may do wrong, by the law that must notice it. */
export interface Fault {
  readonly law: string;
  readonly fault: string;
  readonly change: Change;
}

function replace(change: (provider: Provider, world: MemoryWorld) => Partial<Provider>): Change {
  return (provider, world) => Object.freeze({ ...provider, ...change(provider, world) });
}

function changeTranslation(
  change: (t: Translation<Record<string, unknown>>, input: Parameters<Provider['translate']>[0]) => object,
): Change {
  return replace(({ translate }) => ({
    translate: (input) => {
      const translation = translate(input) as Translation<Record<string, unknown>>;
      return { ...translation, ...change(translation, input) };
    },
  }));
}

function changeNotes(change: (note: Exclude<Note, { type: 'warning' }>) => readonly Note[]): Change {
  return changeTranslation(({ notes }) => ({ notes: notes.flatMap((note) => (note.type === 'warning' ? note : change(note))) }));
}

type LookChange = (
  seen: Look,
  of: { job: JobRef; cursor: { seen: number } | null; c: Attempt; world: MemoryWorld },
) => object | Promise<object>;

function changeLook(change: LookChange): Change {
  return replace(({ observe }, world) => ({
    async observe(job, cursor, c) {
      const seen = (await observe(job, cursor, c)) as Look;
      return { ...seen, ...(await change(seen, { job, cursor: cursor as { seen: number } | null, c, world })) };
    },
  }));
}

const unfenced: Change = replace((provider) => {
  const { fence: _fence, ...rest } = provider;
  return { ...rest, fence: async () => await Promise.resolve() };
});

let count = 0;

/** Ignores the signal of its context. */
function withoutSignal(c: Attempt): Attempt {
  return { ...c, signal: new AbortController().signal };
}

export const faults: readonly Fault[] = [
  ...toFaults('the provider is frozen, with a plain id and words for phases that there are', {
    'is not frozen': (provider) => ({ ...provider }),
    'has a space in its id': replace(() => ({ id: 'my service' })),
    'has a word for a phase that there is not': replace(() => ({ words: { odd: 'sleeping' as Phase } })),
    'tries again without a fence': replace(() => ({ onUncertain: 'retry', fence: undefined }) as unknown as Partial<Provider>),
    'may never be asked': replace(() => ({ rate: { perSecond: 0, burst: 1 } })),
    'settles never': replace(() => ({ settleMs: NaN })),
  }),
  ...toFaults('translate gives the same for the same input', {
    'counts its translations': changeTranslation(({ request }) => ({ request: { ...request, id: count++ } })),
    'notes the time': changeTranslation(({ notes }) => ({ notes: [...notes, { type: 'warning', message: String(count++) }] })),
  }),
  ...toFaults('translate takes a frozen input and changes nothing in it', {
    'sorts the labels in place': changeTranslation((_translation, { facts }) => ((facts.labels as string[]).reverse(), {})),
    'adds a field to the job': changeTranslation((_translation, { spec }) => ((spec.training.maxGradNorm ??= 1), {})),
  }),
  ...toFaults('translate gives JSON', {
    'has a Date in the request': changeTranslation(({ request }) => ({ request: { ...request, at: new Date(0) } })),
    'leaves undefined in the request': changeTranslation(({ request }) => ({ request: { ...request, epochs: undefined } })),
    'has NaN in a note': changeTranslation(({ notes }) => ({ notes: [...notes, { type: 'defaulted', field: 'x', value: NaN }] })),
    'returns a Map': changeTranslation(({ request }) => ({ request: new Map(Object.entries(request)) })),
  }),
  ...toFaults('every field that was written ends in a note', {
    'forgets a training field': changeNotes((note) => (note.field === 'training.beta' ? [] : [note])),
    'forgets the prompt': changeNotes((note) => (note.field === 'prompt' ? [] : [note])),
    'forgets options': changeNotes((note) => (note.field.startsWith('options.') ? [] : [note])),
    'forgets native fields': changeNotes((note) => (note.field.startsWith('native.') ? [] : [note])),
    'calls what was written a default': changeNotes((note) =>
      note.field === 'training.seed' ? [{ type: 'defaulted', field: note.field, value: 1 }] : [note],
    ),
  }),
  ...toFaults('a note repeats what was written', {
    'rounds in silence': changeNotes((note) => (note.field === 'training.learningRate' ? [{ ...note, value: 0 }] : [note])),
    'says that it converted something else': changeNotes((note) => (note.type === 'converted' ? [{ ...note, from: 0 }] : [note])),
  }),
  ...toFaults('different meanings give different requests', {
    'drops a field that it says it sends': changeTranslation(({ request: { learningRate: _rate, ...request } }) => ({ request })),
    'drops the labels': changeTranslation(({ request }) => ({ request: { ...request, labels: [] } })),
    'drops a native field': changeTranslation(({ request: { 'x-law': _native, ...request } }) => ({ request })),
  }),
  ...toFaults('the same meaning gives the same request', {
    'sends the margin': changeTranslation(({ request }, { spec }) => ({ request: { ...request, margin: spec.evaluation.margin } })),
    'sends the order of the fields': changeTranslation(({ request }, { spec }) => ({
      request: { ...request, fields: Object.keys(spec.training) },
    })),
    'sends the tags': changeTranslation(({ request }, { spec }) => ({ request: { ...request, tags: spec.tags } })),
  }),
  ...toFaults('what cannot be translated is refused with a Failure', {
    'throws a bare error at an option': replace(({ translate }) => ({
      translate: (input) => {
        if ('x-law' in input.spec.options) throw new Error('bad option');
        return translate(input);
      },
    })),
    'stumbles over a task': changeTranslation((_translation, { spec }) => {
      if (spec.task === 'chat') throw new TypeError('undefined is not a function');
      return {};
    }),
  }),
  ...toFaults('bind gives the same for the same input, and JSON', {
    'counts its bodies': replace(({ bind }) => ({ bind: (...args) => ({ ...(bind(...args) as object), nonce: count++ }) })),
    'has a Date in the body': replace(({ bind }) => ({ bind: (...args) => ({ ...(bind(...args) as object), at: new Date(0) }) })),
    'completes what it was given': replace(({ bind }) => ({
      bind: (request, ...rest) => bind(Object.assign(request as object, { model: 'x' }), ...rest),
    })),
  }),
  ...toFaults('prepare can be repeated and makes no job', {
    'uploads once only': replace(({ prepare }) => ({
      async prepare(request, c) {
        await writeFile(join(c.workDir, `upload-${c.attempt}`), '', { flag: 'wx' });
        return await prepare(request, c);
      },
    })),
    'begins to train': replace(({ prepare, create }) => ({
      async prepare(request, c) {
        await create(request, c);
        return await prepare(request, c);
      },
    })),
    'gives a Map': replace(() => ({ prepare: async () => await Promise.resolve(new Map([['upload', 1]])) })),
  }),
  ...toFaults('prepare gives identifiers, not rows', {
    'gives the rows': replace(({ prepare }) => ({
      async prepare(request, c) {
        const rows = await Array.fromAsync(c.readRows('train'));
        return { ...((await prepare(request, c)) as object), rows };
      },
    })),
  }),
  ...toFaults('find lists nothing before create, and the job after it', {
    'lists nothing ever': replace(() => ({ find: async () => await Promise.resolve([]) })),
    'lists a job under another name': replace(({ find }) => ({
      find: async (...args) => (await find(...args)).map((job) => ({ ...job, id: `ft:${job.id}` })),
    })),
    'needs what was prepared': replace(({ find }) => ({
      find: async (request, prepared, c) => {
        if (prepared[0] === undefined) throw new TypeError('undefined is not an object');
        return await find(request, prepared, c);
      },
    })),
    'names another provider': replace(({ create }) => ({ create: async (...args) => ({ ...(await create(...args)), provider: 'x' }) })),
    'gives a time that is none': replace(({ create }) => ({
      create: async (...args) => ({ ...(await create(...args)), createdAt: 'now' }),
    })),
  }),
  ...toFaults('find lists no job of another run', {
    'lists whatever there is': replace((_provider, world) => ({
      find: async () => await Promise.resolve(world.allServices().flatMap(({ jobs }) => jobs)),
    })),
  }),
  ...toFaults('a second create of one attempt makes no job that find does not list', {
    'lists one job only': replace(({ find }) => ({ find: async (...args) => (await find(...args)).slice(0, 1) })),
  }),
  ...toFaults('a fenced attempt can no longer be created', {
    'fences nothing': unfenced,
    'fences once only': replace(({ fence }, { fenced }) => ({
      async fence(prepared, c) {
        if (fenced.has(`${c.key} ${c.attempt}`)) throw new Error('not found');
        await fence!(prepared, c);
      },
    })),
    'creates all the same': replace(({ create }, { serviceOf }) => ({
      async create(wire, c) {
        return await create(wire, c).catch(async (error: unknown) => {
          await serviceOf(c.key).provider.create(wire, c);
          throw error;
        });
      },
    })),
  }),
  ...toFaults('a fence leaves the next attempt and a job that exists alone', {
    'fences every attempt': replace((_provider, { fenced }) => ({
      fence: async (_prepared, { key }) => await Promise.resolve([1, 2, 3].forEach((attempt) => fenced.add(`${key} ${attempt}`))),
    })),
    'throws jobs away': replace(({ fence }, { serviceOf }) => ({
      async fence(prepared, c) {
        serviceOf(c.key).jobs.length = 0;
        await fence!(prepared, c);
      },
    })),
  }),
  ...toFaults('an aborted signal ends prepare, create, find and observe, and nothing is created', {
    ...Object.fromEntries(
      (['prepare', 'create', 'find', 'observe'] as const).map((name) => [
        `${name} does not look at the signal`,
        replace((provider) => {
          const call = provider[name] as (...args: unknown[]) => Promise<unknown>;
          return { [name]: async (...args: unknown[]) => await call(...args.slice(0, -1), withoutSignal(args.at(-1) as Attempt)) };
        }),
      ]),
    ),
    'creates, and only then looks at the signal': replace(({ create }) => ({
      async create(wire, c) {
        const job = await create(wire, withoutSignal(c));
        c.signal.throwIfAborted();
        return job;
      },
    })),
  }),
  ...toFaults('an abort ends a call that waits for the service', {
    'looks at the signal before it waits only': replace(({ find }) => ({
      async find(request, prepared, c) {
        c.signal.throwIfAborted();
        return await find(request, prepared, withoutSignal(c));
      },
    })),
  }),
  ...toFaults('a call that fails throws a Failure or a SubmitFailure', {
    'throws a bare error': replace(({ prepare }) => ({
      prepare: async (...args) =>
        await prepare(...args).catch((error: unknown) => {
          throw new Error('ECONNREFUSED', { cause: error });
        }),
    })),
    'takes a service that is out of reach for an empty one': replace(({ find }) => ({
      find: async (...args) => await find(...args).catch(() => []),
    })),
    'throws a SubmitFailure that says nothing': replace(({ create }) => ({
      create: async (...args) =>
        await create(...args).catch(() => {
          throw new SubmitFailure('no', { code: 'unexpected', cause: 'program', message: '', hint: null, retryable: false });
        }),
    })),
  }),
  ...(['succeeded', 'failed', 'cancelled', 'expired'] as const).flatMap((end) =>
    toFaults(`the end "${end}" is seen`, {
      'takes one end for another': changeLook(({ status }) =>
        status.phase === end ? { status: { ...status, phase: end === 'failed' ? 'expired' : 'failed' } } : {},
      ),
    }),
  ),
  ...toFaults('looks from cursor to cursor bring all that one look brings', {
    'forgets old logs': changeLook(({ logs }, { cursor }) => (cursor === null ? { logs: logs.slice(-2) } : {})),
    'loses what comes with the end': changeLook(({ status }, { cursor }) =>
      cursor !== null && status.phase === 'failed' ? { metrics: [], logs: [] } : {},
    ),
  }),
  ...toFaults('a look at an old cursor brings what came after it, and at the last one nothing', {
    'tells the last log each time': changeLook(({ logs, status }) => ({ logs: logs.length > 0 ? logs : [{ at, text: status.raw }] })),
    'remembers what it told': (() => {
      const told = new WeakMap<object, number>();
      return changeLook((seen, { cursor, world }) => {
        const before = told.get(world.reports) ?? 0;
        told.set(world.reports, seen.cursor.seen);
        return cursor !== null && cursor.seen < before ? { metrics: [], logs: [] } : {};
      });
    })(),
  }),
  ...toFaults('no metric is told twice', {
    'tells the newest metric again': changeLook(({ metrics }) => ({ metrics: metrics.flatMap((metric) => [metric, metric]) })),
    'gives no step': changeLook(({ metrics }) => ({ metrics: metrics.map((metric) => ({ ...metric, step: null })) })),
  }),
  ...toFaults('an observation is JSON with times in UTC and a next look', {
    'has a Map for a cursor': changeLook(({ cursor }) => ({ cursor: { ...cursor, byFile: new Map() } })),
    'gives local times': changeLook(() => ({ startedAt: '2026-01-01 10:00:00' })),
    'looks without pause': changeLook(() => ({ nextInMs: 0 })),
    'has a number that is none': changeLook(({ metrics }) => ({ metrics: metrics.map((metric) => ({ ...metric, value: NaN })) })),
  }),
  ...toFaults('a look changes nothing', {
    'marks what was read': changeLook(async (_seen, { job, world }) => {
      world.serviceOf('read').jobs.push(job);
      return await Promise.resolve({});
    }),
    'tells the service to go on': changeLook(
      (_seen, { job, world }) => (world.reports.get(job.id)!.all[0]!.logs as unknown[]).push('x') && {},
    ),
  }),
  ...toFaults('a status word stands for its phase', {
    'gives a phase of its own': changeLook(({ status }) =>
      status.raw === 'waiting' ? { status: { ...status, phase: 'validating' } } : {},
    ),
    'translates the word too': changeLook(({ status }) => ({ status: { ...status, raw: status.raw.toUpperCase() } })),
  }),
  ...toFaults('a word that is not listed is unknown, which is no end', {
    'takes it for a failure': changeLook(({ status }) => (status.phase === 'unknown' ? { status: { ...status, phase: 'failed' } } : {})),
    'looks it up where every object has words': changeLook(({ status }) => ({
      status: { ...status, phase: (words as Record<string, unknown>)[status.raw] ?? 'unknown' },
    })),
  }),
  ...toFaults('a job that has succeeded has an artifact', { 'gives none': changeLook(() => ({ artifacts: [] })) }),
  ...toFaults('a job that has failed says why', {
    'does not say': changeLook(() => ({ failure: null })),
    'has a code of its own': changeLook(({ failure }) => (failure === null ? {} : { failure: { ...failure, code: 'OOM' } })),
  }),
  ...toFaults('cancel may be asked again, of a job that runs and of one that has ended', {
    'refuses a job that is being cancelled': replace((_provider, world) => ({
      async cancel(job) {
        if (world.reports.get(job.id)!.all.at(-1)!.word === 'stopped') throw new Error('409 Conflict');
        await Promise.resolve(endJob(world, job, 'stopped'));
      },
    })),
  }),
  ...toFaults('no credential is in anything that is returned, thrown or written', {
    'sends it in the body': replace(({ bind }, { token }) => ({ bind: (...args) => ({ ...(bind(...args) as object), token }) })),
    'shows it in an address': replace(({ create }, { token }) => ({
      create: async (...args) => ({ ...(await create(...args)), url: `https://service/jobs?token=${encodeURIComponent(token)}` }),
    })),
    'logs its headers': changeLook(({ logs }, { world }) => ({
      logs: logs.map((log) => ({ ...log, text: `Authorization: Basic ${Buffer.from(world.token).toString('base64')}` })),
    })),
    'writes it to a file': replace(({ prepare }, { token }) => ({
      async prepare(request, c) {
        await writeFile(join(c.workDir, 'curl.sh'), `${await readFile(join(c.workDir, 'curl.sh'), 'utf8').catch(() => '')}curl ${token}`);
        return await prepare(request, c);
      },
    })),
    'throws it': replace(({ find }, { token }) => ({
      find: async (...args) =>
        await find(...args).catch((error: unknown) => {
          throw Object.assign(error as Error, { request: { headers: { token } } });
        }),
    })),
  }),
];

function toFaults(law: string, changes: Readonly<Record<string, Change>>): Fault[] {
  return Object.entries(changes).map(([fault, change]) => ({ law, fault, change }));
}

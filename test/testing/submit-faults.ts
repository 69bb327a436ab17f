import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { changeJobs, replace, listFaults, type Change, type Fault } from './plant-fault.ts';
import { at } from './memory-target.ts';

let count = 0;

const ghost: JobRef = { provider: 'memory', id: 'ghost', location: 'memory', attempt: 1, createdAt: at, url: null };

const unfenced: Change = replace((provider) => {
  const { fence: _fence, ...rest } = provider;
  return { ...rest, fence: async () => await Promise.resolve() };
});

/** Ignores the signal of its context. */
function withoutSignal(context: Attempt): Attempt {
  return { ...context, signal: new AbortController().signal };
}

/** What can go wrong until there is a job, and how calls end. */
export const submitFaults: readonly Fault[] = [
  ...listFaults('bind gives the same for the same input, and JSON', {
    'counts its bodies': replace(({ bind }) => ({ bind: (...args) => ({ ...(bind(...args) as object), nonce: count++ }) })),
    'has a Date in the body': replace(({ bind }) => ({ bind: (...args) => ({ ...(bind(...args) as object), at: new Date(0) }) })),
    'completes what it was given': replace(({ bind }) => ({
      bind: (request, ...rest) => bind(Object.assign(request as object, { model: 'x' }), ...rest),
    })),
  }),
  ...listFaults('prepare can be repeated and makes no job', {
    'uploads once only': replace(({ prepare }) => ({
      async prepare(request, context) {
        await writeFile(join(context.workDir, `upload-${context.attempt}`), '', { flag: 'wx' });
        return await prepare(request, context);
      },
    })),
    'begins to train': replace(({ prepare, create }) => ({
      async prepare(request, context) {
        await create(request, context);
        return await prepare(request, context);
      },
    })),
    'gives a Map': replace(() => ({ prepare: async () => await Promise.resolve(new Map([['upload', 1]])) })),
  }),
  ...listFaults('prepare gives identifiers, not rows', {
    'gives the rows': replace(({ prepare }) => ({
      async prepare(request, context) {
        const rows = await Array.fromAsync(context.readRows('train'));
        return { ...((await prepare(request, context)) as object), rows };
      },
    })),
  }),
  ...listFaults('find lists nothing before create, and the job after it', {
    'lists a job before there is one': replace(({ find }) => ({
      find: async (request, prepared, context) => (prepared.length === 0 ? [ghost] : await find(request, prepared, context)),
    })),
    'takes an upload for a job': replace(({ find }) => ({
      async find(request, prepared, context) {
        const jobs = await find(request, prepared, context);
        return jobs.length === 0 && prepared.length > 0 ? [ghost] : jobs;
      },
    })),
    'leaves undefined in a job': changeJobs({ url: undefined as unknown as null }),
    'gives its jobs no name': changeJobs({ id: '' }),
    'says that its jobs are another provider’s': changeJobs({ provider: 'x' }),
    'lists nothing ever': replace(() => ({ find: async () => await Promise.resolve([]) })),
    'lists a job under another name': replace(({ find }) => ({
      find: async (...args) => (await find(...args)).map((job) => ({ ...job, id: `ft:${job.id}` })),
    })),
    'needs what was prepared': replace(({ find }) => ({
      find: async (request, prepared, context) => {
        if (prepared[0] === undefined) throw new TypeError('undefined is not an object');
        return await find(request, prepared, context);
      },
    })),
    'names another provider': replace(({ create }) => ({ create: async (...args) => ({ ...(await create(...args)), provider: 'x' }) })),
    'gives a time that is none': replace(({ create }) => ({
      create: async (...args) => ({ ...(await create(...args)), createdAt: 'now' }),
    })),
  }),
  ...listFaults('find lists no job of another run', {
    'lists whatever there is': replace((_provider, fixture) => ({
      find: async () => await Promise.resolve(fixture.allServices().flatMap(({ jobs }) => jobs)),
    })),
  }),
  ...listFaults('a second create of one attempt makes no job that find does not list', {
    'lists one job only': replace(({ find }) => ({ find: async (...args) => (await find(...args)).slice(0, 1) })),
  }),
  ...listFaults('a fenced attempt can no longer be created', {
    'says that it has created': replace(({ create }) => ({ create: async (...args) => await create(...args).catch(() => ghost) })),
    'fences nothing': unfenced,
    'fences once only': replace(({ fence }, { fenced }) => ({
      async fence(prepared, context) {
        if (fenced.has(`${context.key} ${context.attempt}`)) throw new Error('not found');
        await fence!(prepared, context);
      },
    })),
    'creates all the same': replace(({ create }, { serviceOf }) => ({
      async create(wire, context) {
        return await create(wire, context).catch(async (error: unknown) => {
          await serviceOf(context.key).provider.training.create(wire, context);
          throw error;
        });
      },
    })),
  }),
  ...listFaults('a fence leaves the next attempt and a job that exists alone', {
    'fences every attempt': replace((_provider, { fenced }) => ({
      fence: async (_prepared, { key }) => await Promise.resolve([1, 2, 3].forEach((attempt) => fenced.add(`${key} ${attempt}`))),
    })),
    'throws jobs away': replace(({ fence }, { serviceOf }) => ({
      async fence(prepared, context) {
        serviceOf(context.key).jobs.length = 0;
        await fence!(prepared, context);
      },
    })),
  }),
  ...listFaults('an aborted signal ends prepare, create, find and observe, and nothing is created', {
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
      async create(wire, context) {
        const job = await create(wire, withoutSignal(context));
        context.signal.throwIfAborted();
        return job;
      },
    })),
  }),
  ...listFaults('an abort ends a call that waits for the service', {
    'looks at the signal before it waits only': replace(({ find }) => ({
      async find(request, prepared, context) {
        context.signal.throwIfAborted();
        return await find(request, prepared, withoutSignal(context));
      },
    })),
  }),
  ...listFaults('a call that fails throws a Failure or a SubmitFailure', {
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
];

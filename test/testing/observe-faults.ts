import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { changeObservation, replace, listFaults, type Fault } from './plant-fault.ts';
import { at, endJob, statusMap } from './memory-target.ts';

const waiting = { phase: 'queued', raw: 'waiting' } as const;

/** What can go wrong with a job that there is. */
export const observeFaults: readonly Fault[] = [
  ...listFaults('the end "succeeded" is seen', {
    'never sees an end': changeObservation(() => ({ status: { phase: 'running', raw: 'running' } })),
  }),
  ...(['succeeded', 'failed', 'cancelled', 'expired'] as const).flatMap((end) =>
    listFaults(`the end "${end}" is seen`, {
      'takes one end for another': changeObservation(({ status }) =>
        status.phase === end ? { status: { ...status, phase: end === 'failed' ? 'expired' : 'failed' } } : {},
      ),
    }),
  ),
  ...listFaults('observations from cursor to cursor bring all that a single one brings', {
    'begins again without a cursor': changeObservation((_seen, { cursor }) => (cursor === null ? { status: waiting } : {})),
    'forgets old logs': changeObservation(({ logs }, { cursor }) => (cursor === null ? { logs: logs.slice(-2) } : {})),
    'loses what comes with the end': changeObservation(({ status }, { cursor }) =>
      cursor !== null && status.phase === 'failed' ? { metrics: [], logs: [] } : {},
    ),
  }),
  ...listFaults('an observation at an old cursor brings what came after it, and at the last one nothing', {
    'has no status without news': changeObservation(({ logs }) => (logs.length === 0 ? { status: waiting } : {})),
    'tells the last log each time': changeObservation(({ logs, status }) => ({
      logs: logs.length > 0 ? logs : [{ at, text: status.raw }],
    })),
    'remembers what it told': (() => {
      const told = new WeakMap<object, number>();
      return changeObservation((seen, { cursor, fixture }) => {
        const before = told.get(fixture.reports) ?? 0;
        told.set(fixture.reports, seen.cursor.seen);
        return cursor !== null && cursor.seen < before ? { metrics: [], logs: [] } : {};
      });
    })(),
  }),
  ...listFaults('an observation reports no measurement twice from one origin', {
    'reports the newest metric twice': changeObservation(({ metrics }) => ({ metrics: metrics.flatMap((metric) => [metric, metric]) })),
    'gives no step': changeObservation(({ metrics }) => ({ metrics: metrics.map((metric) => ({ ...metric, step: null })) })),
  }),
  ...listFaults('an observation is JSON with times in UTC and a time for the next one', {
    'has a Map for a cursor': changeObservation(({ cursor }) => ({ cursor: { ...cursor, byFile: new Map() } })),
    'gives local times': changeObservation(() => ({ startedAt: '2026-01-01 10:00:00' })),
    'looks without pause': changeObservation(() => ({ nextInMs: 0 })),
    'has a number that is none': changeObservation(({ metrics }) => ({ metrics: metrics.map((metric) => ({ ...metric, value: NaN })) })),
  }),
  ...listFaults('observing changes nothing', {
    'marks what was read': changeObservation(async (_seen, { job, fixture }) => {
      fixture.serviceOf('read').jobs.push(job);
      return await Promise.resolve({});
    }),
    'tells the service to go on': changeObservation(
      (_seen, { job, fixture }) => (fixture.reports.get(job.id)!.all[0]!.logs as unknown[]).push('x') && {},
    ),
  }),
  ...listFaults('the phase of a status word is that of the status map', {
    'gives a phase of its own': changeObservation(({ status }) =>
      status.raw === 'waiting' ? { status: { ...status, phase: 'validating' } } : {},
    ),
    'translates the word too': changeObservation(({ status }) => ({ status: { ...status, raw: status.raw.toUpperCase() } })),
  }),
  ...listFaults('a status word that is not in the status map is unknown, which is no end', {
    'takes it for a failure': changeObservation(({ status }) =>
      status.phase === 'unknown' ? { status: { ...status, phase: 'failed' } } : {},
    ),
    'looks it up where every object has words': changeObservation(({ status }) => ({
      status: { ...status, phase: (statusMap as Record<string, unknown>)[status.raw] ?? 'unknown' },
    })),
  }),
  ...listFaults('a job that has succeeded has an artifact', { 'gives none': changeObservation(() => ({ artifacts: [] })) }),
  ...listFaults('a job that has failed says why', {
    'does not say': changeObservation(() => ({ failure: null })),
    'has a code of its own': changeObservation(({ failure }) => (failure === null ? {} : { failure: { ...failure, code: 'OOM' } })),
  }),
  ...listFaults('cancel may be asked for again, of a job that runs and of one that has ended', {
    'cancels nothing': replace(() => ({ cancel: async () => await Promise.resolve() })),
    'refuses a job that is being cancelled': replace((_provider, fixture) => ({
      async cancel(job) {
        if (fixture.reports.get(job.id)!.all.at(-1)!.word === 'stopped') throw new Error('409 Conflict');
        await Promise.resolve(endJob(fixture, job, 'stopped'));
      },
    })),
  }),
  ...listFaults('a paused job goes on when it is resumed, and both may be asked for again', {
    'pauses nothing': replace(() => ({ pause: async () => await Promise.resolve() })),
    'resumes nothing': replace(() => ({ resume: async (job) => await Promise.resolve(job) })),
    'makes a job with each resume': replace(({ create, resume }) => ({
      async resume(job, context) {
        await create({}, context);
        return await resume!(job, context);
      },
    })),
    'refuses a job that runs already': replace(({ resume }, fixture) => ({
      async resume(job, context) {
        if (fixture.reports.get(job.id)!.all.at(-1)!.word !== 'held') throw new Error('409 Conflict');
        return await resume!(job, context);
      },
    })),
  }),
  ...listFaults('no credential is in anything that is returned, thrown or written', {
    'notes it': replace(({ translate }, { token }) => ({
      translate(input) {
        const { request, notes } = translate(input);
        return { request, notes: [...notes, { type: 'warning', message: `the token is ${token}` }] };
      },
    })),
    'sends it in the body': replace(({ bind }, { token }) => ({ bind: (...args) => ({ ...(bind(...args) as object), token }) })),
    'shows it in an address': replace(({ create }, { token }) => ({
      create: async (...args) => ({ ...(await create(...args)), url: `https://service/jobs?token=${encodeURIComponent(token)}` }),
    })),
    'logs its headers': changeObservation(({ logs }, { fixture }) => ({
      logs: logs.map((log) => ({ ...log, text: `Authorization: Basic ${Buffer.from(fixture.token).toString('base64')}` })),
    })),
    'writes it to a file': replace(({ prepare }, { token }) => ({
      async prepare(request, context) {
        await writeFile(
          join(context.workDir, 'curl.sh'),
          `${await readFile(join(context.workDir, 'curl.sh'), 'utf8').catch(() => '')}curl ${token}`,
        );
        return await prepare(request, context);
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

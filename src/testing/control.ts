import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';
import { isTerminalPhase, terminalPhases, type Phase, type TerminalPhase } from '../provider/status.ts';
import { assertEqual, assertFailure, assertNoSecret, getRejection, waitForEnd } from './assertions.ts';
import {
  copyStored,
  createTest,
  findJobs,
  inEnvironment,
  mostObservations,
  pauseMs,
  prepareAttempt,
  type JobHistory,
  type ReadyAttempt,
} from './environment.ts';
import type { ConformanceEnvironment, ConformanceTarget, ConformanceTest } from './target.ts';

/** How long a call may take to end after an abort. */
const promptMs = 5000;

/** What `cancel`, `pause` and `resume` promise, how calls end that are aborted or that fail, and that credentials stay where they are. */
export function createControlTests<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
  getHistory: (end: TerminalPhase) => Promise<JobHistory>,
): ConformanceTest[] {
  const { cancel, pause, resume } = target.provider.training;
  const { stall, failing = {}, secrets } = target;
  const create = (name: string, lacks: string | null, use: (environment: Environment) => Promise<void>): ConformanceTest =>
    createTest(name, lacks, async () => await inEnvironment(target, use));
  const forEachRejection = async (check: (what: string, error: unknown) => void): Promise<void> => {
    for (const [label, call] of Object.entries(failing))
      await inEnvironment(target, async (environment) => check(label, await getRejection(label, async () => await call(environment))));
  };
  return [
    create(
      'an aborted signal ends prepare, create, find and observe, and nothing is created',
      null,
      async (environment) => await checkAborted(target, environment),
    ),
    create('an abort ends a call that waits for the service', stall === undefined ? 'stall' : null, async (environment) => {
      await checkAbort(target, environment);
    }),
    createTest('a call that fails throws a Failure or a SubmitFailure', target.failing === undefined ? 'failing' : null, async () => {
      await forEachRejection(assertFailure);
    }),
    create(
      'cancel may be asked for again, of a job that runs and of one that has ended',
      cancel === undefined ? 'cancel' : null,
      async (environment) => await checkCancel(target, environment),
    ),
    create(
      'a paused job goes on when it is resumed, and both may be asked for again',
      pause === undefined ? 'pause' : resume === undefined ? 'resume' : null,
      async (environment) => await checkPause(target, environment),
    ),
    createTest('no credential is in anything that is returned, thrown or written', secrets === undefined ? 'secrets' : null, async () => {
      assertNoSecret('translate', target.provider.training.translate(structuredClone(target.inputs.base)), secrets!);
      for (const end of terminalPhases.filter((phase) => target.ends[phase] !== undefined)) {
        const { files, ...returned } = await getHistory(end);
        for (const [what, value] of Object.entries(returned)) assertNoSecret(`${what} of a job that is ${end}`, value, secrets!);
        for (const file of files) assertNoSecret(`the file ${file.split('\n', 1)[0]}`, file, secrets!);
      }
      await forEachRejection((what, error) => assertNoSecret(`the error of "${what}"`, error, secrets!));
    }),
  ];
}

type Call = (context: Attempt) => Promise<unknown>;

function listSubmitCalls({ provider: { training } }: ConformanceEnvironment, { request, wire }: ReadyAttempt): Record<string, Call> {
  return {
    prepare: async (context) => await training.prepare(request, context),
    create: async (context) => await training.create(wire, context),
  };
}

function listReadCalls({ provider: { training } }: ConformanceEnvironment, ready: ReadyAttempt, job: JobRef): Record<string, Call> {
  return {
    find: async (context) => await training.find(ready.request, [ready.prepared], context),
    observe: async (context) => await training.observe(job, null, context),
  };
}

async function checkRejections(calls: Readonly<Record<string, Call>>, run: (call: Call) => Promise<unknown>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const end = await waitForEnd(async () => await run(call), promptMs);
    assert.ok('error' in end, `${name} with an aborted signal: expected a rejection within ${promptMs} ms, found ${inspect(end)}`);
  }
}

async function checkAborted({ inputs: { base } }: Pick<ConformanceTarget, 'inputs'>, environment: ConformanceEnvironment): Promise<void> {
  const ready = await prepareAttempt(environment, base);
  const aborted = environment.toAttempt(base.key, 1, AbortSignal.abort());
  await checkRejections(listSubmitCalls(environment, ready), async (call) => await call(aborted));
  await ready.context.wait(environment.provider.listingDelayMs);
  assertEqual('find after a create whose signal was aborted', await findJobs(environment, ready, []), []);
  const job = await environment.provider.training.create(ready.wire, ready.context);
  await checkRejections(listReadCalls(environment, ready, job), async (call) => await call(aborted));
}

async function checkAbort<Environment extends ConformanceEnvironment>(
  { inputs: { base }, stall }: ConformanceTarget<Environment>,
  environment: Environment,
): Promise<void> {
  const first = await prepareAttempt(environment, base);
  const job = await environment.provider.training.create(first.wire, first.context);
  const next = await prepareAttempt(environment, base, 2);
  await stall!(environment);
  await checkRejections({ ...listSubmitCalls(environment, next), ...listReadCalls(environment, next, job) }, async (call) => {
    const controller = new AbortController();
    const ended = call(environment.toAttempt(base.key, 2, controller.signal));
    setTimeout(() => controller.abort(), 0);
    await ended;
  });
}

interface StartedJob {
  readonly ready: ReadyAttempt;
  readonly job: JobRef;
}

/** A job that runs until it is stopped, where the target has one. */
async function startJob<Environment extends ConformanceEnvironment>(
  { ends, inputs }: ConformanceTarget<Environment>,
  environment: Environment,
): Promise<StartedJob> {
  const ready = await prepareAttempt(environment, ends.cancelled?.input ?? inputs.base);
  return { ready, job: await environment.provider.training.create(ready.wire, ready.context) };
}

/** Observes a job until its phase is one that is waited for. The program asks for the control again before each observation. */
async function observeUntil(
  { provider: { training } }: ConformanceEnvironment,
  { ready: { context }, job }: StartedJob,
  wanted: { readonly what: string; isIt(phase: Phase): boolean },
): Promise<void> {
  let last = await training.observe(job, null, context);
  for (let count = 0; !wanted.isIt(last.status.phase); count++) {
    const mayChange = count < mostObservations && !isTerminalPhase(last.status.phase);
    assert.ok(mayChange, `the job: expected ${wanted.what}, found ${inspect(last.status)}`);
    await context.wait(last.nextInMs ?? pauseMs);
    last = await training.observe(job, copyStored(last.cursor), context);
  }
}

async function checkCancel<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
  environment: Environment,
): Promise<void> {
  const { training } = environment.provider;
  const started = await startJob(target, environment);
  const { job, ready } = started;
  await training.cancel!(job, ready.context);
  await training.cancel!(job, ready.context);
  await target.ends.cancelled?.bring?.(environment, job);
  await observeUntil(environment, started, { what: 'an end of a job that was cancelled', isIt: isTerminalPhase });
  await training.cancel!(job, ready.context);
}

async function checkPause<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
  environment: Environment,
): Promise<void> {
  const { training } = environment.provider;
  const { job, ready } = await startJob(target, environment);
  await training.pause!(job, ready.context);
  await training.pause!(job, ready.context);
  await observeUntil(environment, { job, ready }, { what: 'the phase "paused" after a pause', isIt: (phase) => phase === 'paused' });
  await training.resume!(job, ready.context);
  const resumed = await training.resume!(job, ready.context);
  const isResumed = { what: 'another phase after a resume', isIt: (phase: Phase) => phase !== 'paused' };
  await observeUntil(environment, { job: resumed, ready }, isResumed);
  const found = await findJobs(environment, ready, [resumed]);
  assertEqual(
    'jobs after resume, twice',
    found.map(({ id }) => id),
    [resumed.id],
  );
}

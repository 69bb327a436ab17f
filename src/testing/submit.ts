import {
  expectEqual,
  expectIsoTime,
  expectJson,
  expectThat,
  freezeDeep,
  inEnvironment,
  createTest,
  toLiveSignal,
  toStored,
} from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import type { JobRef } from '../provider/job.ts';

/** A key that no hash gives by chance. */
const otherKey = 'z'.repeat(32);

/** What `prepare`, `bind`, `create`, `find` and `fence` promise. */
export function createSubmitTests<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>): ConformanceTest[] {
  const { provider, inputs } = subject;
  const { base } = inputs;
  const lacksFence = provider.training.fence === undefined ? 'fence' : null;
  const inEach = (use: (environment: World) => Promise<void>) => async () => await inEnvironment(subject, use);
  return [
    createTest(
      'bind gives the same for the same input, and JSON',
      null,
      inEach(async (environment) => {
        const { request, prepared, wire, context } = await makeReady(environment, base);
        const bound = environment.provider.training.bind(freezeDeep(toStored(request)), freezeDeep(toStored(prepared)), context.key, 1);
        expectJson('bind', bound);
        expectEqual('bind, again and of frozen values', bound, wire);
      }),
    ),
    createTest(
      'prepare can be repeated and makes no job',
      null,
      inEach(async (environment) => {
        const first = await makeReady(environment, base);
        expectJson('prepare', await environment.provider.training.prepare(first.request, first.context));
        const second = await makeReady(environment, base);
        expectEqual('find after two times prepare', await look(environment, second, []), []);
        await environment.provider.training.create(second.wire, second.context);
      }),
    ),
    createTest(
      'prepare gives identifiers, not rows',
      null,
      inEach(async (environment) => {
        const { prepared, context } = await makeReady(environment, base);
        const text = JSON.stringify(prepared);
        for await (const row of context.readRows('train')) {
          const held = toTexts(row).find((one) => one.length >= 8 && text.includes(JSON.stringify(one).slice(1, -1)));
          expectThat(held === undefined, 'prepare', 'no text of a row, since it is stored with the run', held);
        }
      }),
    ),
    createTest(
      'find lists nothing before create, and the job after it',
      null,
      inEach(async (environment) => {
        const request = toStored(environment.provider.training.translate(structuredClone(base)).request);
        expectEqual(
          'find before prepare',
          await environment.provider.training.find(request, [], environment.toAttempt(base.key, 1, toLiveSignal())),
          [],
        );
        const ready = await makeReady(environment, base);
        expectEqual('find before create', await look(environment, ready, []), []);
        const job = await environment.provider.training.create(ready.wire, ready.context);
        checkJobRef('create', job, environment);
        const jobs = await look(environment, ready, [job]);
        for (const found of jobs) checkJobRef('find', found, environment);
        const toName = ({ provider: of, id, location }: JobRef): object => ({ provider: of, id, location });
        expectEqual('find after create', jobs.map(toName), [toName(job)]);
      }),
    ),
    createTest(
      'find lists no job of another run',
      null,
      inEach(async (environment) => {
        const { wire, context } = await makeReady(environment, base);
        await environment.provider.training.create(wire, context);
        await context.wait(environment.provider.listingDelayMs);
        const other = await makeReady(environment, { ...base, key: otherKey });
        expectEqual('find of a run without a job, beside one that has a job', await look(environment, other, []), []);
      }),
    ),
    createTest(
      'a second create of one attempt makes no job that find does not list',
      null,
      inEach(async (environment) => {
        const ready = await makeReady(environment, base);
        const jobs = [await environment.provider.training.create(ready.wire, ready.context)];
        const second = async (): Promise<unknown> => jobs.push(await environment.provider.training.create(ready.wire, ready.context));
        await second().catch(() => {}); // to refuse it is as good
        const found = await look(environment, ready, jobs);
        for (const { id } of jobs) {
          const isListed = found.some((job) => job.id === id);
          expectThat(isListed, 'find after a second create', `the job ${id} among what it lists`, found);
        }
      }),
    ),
    createTest(
      'a fenced attempt can no longer be created',
      lacksFence,
      inEach(async (environment) => {
        const ready = await makeReady(environment, base);
        await environment.provider.training.fence!(ready.prepared, ready.context);
        await environment.provider.training.fence!(ready.prepared, ready.context); // a process may die before it has stored that it fenced
        const outcome = await toCreateOutcome(environment, ready);
        expectThat(outcome === 'rejected', 'create after a fence', 'a rejection', outcome);
        await ready.context.wait(environment.provider.listingDelayMs);
        expectEqual('find after a fence and a create', await look(environment, ready, []), []);
      }),
    ),
    createTest(
      'a fence leaves the next attempt and a job that exists alone',
      lacksFence,
      inEach(async (environment) => {
        const first = await makeReady(environment, base, 1);
        await environment.provider.training.fence!(first.prepared, first.context);
        const next = await makeReady(environment, base, 2);
        const job = await environment.provider.training.create(next.wire, next.context);
        await environment.provider.training.fence!(next.prepared, next.context);
        const found = await look(environment, next, [job]);
        const isListed = found.some(({ id }) => id === job.id);
        expectThat(isListed, 'find after a fence that came too late', `the job ${job.id} among what it lists`, found);
      }),
    ),
  ];
}

function checkJobRef(what: string, job: JobRef, { provider }: ConformanceEnvironment): void {
  expectJson(what, job);
  expectEqual(`${what}: provider`, job.provider, provider.id);
  expectThat(job.id !== '', `${what}: id`, 'a name of the job', job.id);
  expectIsoTime(`${what}: createdAt`, job.createdAt);
}

async function toCreateOutcome({ provider }: ConformanceEnvironment, { wire, context }: Ready): Promise<string> {
  return await provider.training.create(wire, context).then(
    ({ id }) => `the job ${id}`,
    () => 'rejected',
  );
}

/** Every text in a row, however deep it lies. */
function toTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(toTexts) : [];
}

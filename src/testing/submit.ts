import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { JobRef } from '../provider/job.ts';
import { assertEqual, assertIsoTime, assertJson, getRejection } from './assertions.ts';
import { copyStored, createLiveSignal, createTest, findJobs, inEnvironment, prepareAttempt } from './environment.ts';
import type { ConformanceEnvironment, ConformanceTarget, ConformanceTest } from './target.ts';
import { freezeDeep } from './translate.ts';

/** A key that no hash gives by chance. */
const otherKey = 'z'.repeat(32);

/** What `prepare`, `bind`, `create`, `find` and `fence` promise. */
export function createSubmitTests<Environment extends ConformanceEnvironment>(target: ConformanceTarget<Environment>): ConformanceTest[] {
  const { base } = target.inputs;
  const create = (name: string, use: (environment: Environment) => Promise<void>, lacks: string | null = null): ConformanceTest =>
    createTest(name, lacks, async () => await inEnvironment(target, use));
  const lacksFence = target.provider.training.fence === undefined ? 'fence' : null;
  return [
    create('bind gives the same for the same input, and JSON', async (environment) => {
      const { request, prepared, wire, context } = await prepareAttempt(environment, base);
      const bound = environment.provider.training.bind(freezeDeep(copyStored(request)), freezeDeep(copyStored(prepared)), context.key, 1);
      assertJson('bind', bound);
      assertEqual('bind, again and of frozen values', bound, wire);
    }),
    create('prepare can be repeated and makes no job', async (environment) => {
      const { training } = environment.provider;
      const first = await prepareAttempt(environment, base);
      assertJson('prepare', await training.prepare(first.request, first.context));
      const second = await prepareAttempt(environment, base);
      assertEqual('find after prepare, twice', await findJobs(environment, second, []), []);
      await training.create(second.wire, second.context);
    }),
    create('prepare gives identifiers, not rows', async (environment) => {
      const { prepared, context } = await prepareAttempt(environment, base);
      const text = JSON.stringify(prepared);
      for await (const row of context.readRows('train')) {
        const held = listTexts(row).find((one) => one.length >= 8 && text.includes(JSON.stringify(one).slice(1, -1)));
        assert.ok(held === undefined, `prepare: expected no text of a row, since it is stored with the run, found ${held}`);
      }
    }),
    create('find lists nothing before create, and the job after it', async (environment) => {
      const { training } = environment.provider;
      const request = copyStored(training.translate(structuredClone(base)).request);
      const context = environment.toAttempt(base.key, 1, createLiveSignal());
      assertEqual('find before prepare', await training.find(request, [], context), []);
      const ready = await prepareAttempt(environment, base);
      assertEqual('find before create', await findJobs(environment, ready, []), []);
      const job = await training.create(ready.wire, ready.context);
      checkJobRef('create', job, environment);
      const jobs = await findJobs(environment, ready, [job]);
      for (const found of jobs) checkJobRef('find', found, environment);
      const pickName = ({ provider, id, location }: JobRef): object => ({ provider, id, location });
      assertEqual('find after create', jobs.map(pickName), [pickName(job)]);
    }),
    create('find lists no job of another run', async (environment) => {
      const { wire, context } = await prepareAttempt(environment, base);
      await environment.provider.training.create(wire, context);
      await context.wait(environment.provider.listingDelayMs);
      const other = await prepareAttempt(environment, { ...base, key: otherKey });
      assertEqual('find of a run without a job, beside one that has a job', await findJobs(environment, other, []), []);
    }),
    create('a second create of one attempt makes no job that find does not list', async (environment) => {
      const { training } = environment.provider;
      const ready = await prepareAttempt(environment, base);
      const jobs = [await training.create(ready.wire, ready.context)];
      const second = await training.create(ready.wire, ready.context).catch(() => null); // to refuse it is as good
      if (second !== null) jobs.push(second);
      checkListed('find after a second create', await findJobs(environment, ready, jobs), jobs);
    }),
    create(
      'a fenced attempt can no longer be created',
      async (environment) => {
        const { training } = environment.provider;
        const ready = await prepareAttempt(environment, base);
        await training.fence!(ready.prepared, ready.context);
        await training.fence!(ready.prepared, ready.context); // a process may die before it has stored that it fenced
        await getRejection('create after a fence', async () => await training.create(ready.wire, ready.context));
        await ready.context.wait(environment.provider.listingDelayMs);
        assertEqual('find after a fence and a create', await findJobs(environment, ready, []), []);
      },
      lacksFence,
    ),
    create(
      'a fence leaves the next attempt and a job that exists alone',
      async (environment) => {
        const { training } = environment.provider;
        const first = await prepareAttempt(environment, base, 1);
        await training.fence!(first.prepared, first.context);
        const next = await prepareAttempt(environment, base, 2);
        const job = await training.create(next.wire, next.context);
        await training.fence!(next.prepared, next.context);
        checkListed('find after a fence that came too late', await findJobs(environment, next, [job]), [job]);
      },
      lacksFence,
    ),
  ];
}

function checkListed(what: string, found: readonly JobRef[], expected: readonly JobRef[]): void {
  for (const { id } of expected)
    assert.ok(
      found.some((job) => job.id === id),
      `${what}: expected the job ${id} to be listed, found ${inspect(found)}`,
    );
}

function checkJobRef(what: string, job: JobRef, { provider }: ConformanceEnvironment): void {
  assertJson(what, job);
  assertEqual(`${what}: provider`, job.provider, provider.id);
  assert.ok(job.id !== '', `${what}: expected an id, found none`);
  assertIsoTime(`${what}: createdAt`, job.createdAt);
}

/** Every text in a row, however deep it is. */
function listTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(listTexts) : [];
}

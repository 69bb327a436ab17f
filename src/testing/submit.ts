import { expectEqual, expectIsoTime, expectJson, expectThat, freezeDeep, inWorld, toLaw, toLiveSignal, toStored } from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { Law, LawSubject, LawWorld } from './subject.ts';
import type { JobRef } from '../provider/job.ts';

/** A key that no hash gives by chance. */
const otherKey = 'z'.repeat(32);

/** What `prepare`, `bind`, `create`, `find` and `fence` promise. */
export function toSubmitLaws<World extends LawWorld>(subject: LawSubject<World>): Law[] {
  const { provider, inputs } = subject;
  const { base } = inputs;
  const lacksFence = provider.fence === undefined ? 'fence' : null;
  const inEach = (use: (world: World) => Promise<void>) => async () => await inWorld(subject, use);
  return [
    toLaw(
      'bind gives the same for the same input, and JSON',
      null,
      inEach(async (world) => {
        const { request, prepared, wire, c } = await makeReady(world, base);
        const bound = world.provider.bind(freezeDeep(toStored(request)), freezeDeep(toStored(prepared)), c.key, 1);
        expectJson('bind', bound);
        expectEqual('bind, again and of frozen values', bound, wire);
      }),
    ),
    toLaw(
      'prepare can be repeated and makes no job',
      null,
      inEach(async (world) => {
        const first = await makeReady(world, base);
        expectJson('prepare', await world.provider.prepare(first.request, first.c));
        const second = await makeReady(world, base);
        expectEqual('find after two times prepare', await look(world, second, []), []);
        await world.provider.create(second.wire, second.c);
      }),
    ),
    toLaw(
      'prepare gives identifiers, not rows',
      null,
      inEach(async (world) => {
        const { prepared, c } = await makeReady(world, base);
        const text = JSON.stringify(prepared);
        for await (const row of c.readRows('train')) {
          const held = toTexts(row).find((one) => one.length >= 8 && text.includes(JSON.stringify(one).slice(1, -1)));
          expectThat(held === undefined, 'prepare', 'no text of a row, since it is stored with the run', held);
        }
      }),
    ),
    toLaw(
      'find lists nothing before create, and the job after it',
      null,
      inEach(async (world) => {
        const request = toStored(world.provider.translate(structuredClone(base)).request);
        expectEqual('find before prepare', await world.provider.find(request, [], world.toAttempt(base.key, 1, toLiveSignal())), []);
        const ready = await makeReady(world, base);
        expectEqual('find before create', await look(world, ready, []), []);
        const job = await world.provider.create(ready.wire, ready.c);
        checkJobRef('create', job, world);
        const jobs = await look(world, ready, [job]);
        for (const found of jobs) checkJobRef('find', found, world);
        const toName = ({ provider: of, id, place }: JobRef): object => ({ provider: of, id, place });
        expectEqual('find after create', jobs.map(toName), [toName(job)]);
      }),
    ),
    toLaw(
      'find lists no job of another run',
      null,
      inEach(async (world) => {
        const { wire, c } = await makeReady(world, base);
        await world.provider.create(wire, c);
        await c.wait(world.provider.settleMs);
        const other = await makeReady(world, { ...base, key: otherKey });
        expectEqual('find of a run without a job, beside one that has a job', await look(world, other, []), []);
      }),
    ),
    toLaw(
      'a second create of one attempt makes no job that find does not list',
      null,
      inEach(async (world) => {
        const ready = await makeReady(world, base);
        const jobs = [await world.provider.create(ready.wire, ready.c)];
        const second = async (): Promise<unknown> => jobs.push(await world.provider.create(ready.wire, ready.c));
        await second().catch(() => {}); // to refuse it is as good
        const found = await look(world, ready, jobs);
        for (const { id } of jobs) {
          const isListed = found.some((job) => job.id === id);
          expectThat(isListed, 'find after a second create', `the job ${id} among what it lists`, found);
        }
      }),
    ),
    toLaw(
      'a fenced attempt can no longer be created',
      lacksFence,
      inEach(async (world) => {
        const ready = await makeReady(world, base);
        await world.provider.fence!(ready.prepared, ready.c);
        await world.provider.fence!(ready.prepared, ready.c); // a process may die before it has stored that it fenced
        const outcome = await toCreateOutcome(world, ready);
        expectThat(outcome === 'rejected', 'create after a fence', 'a rejection', outcome);
        await ready.c.wait(world.provider.settleMs);
        expectEqual('find after a fence and a create', await look(world, ready, []), []);
      }),
    ),
    toLaw(
      'a fence leaves the next attempt and a job that exists alone',
      lacksFence,
      inEach(async (world) => {
        const first = await makeReady(world, base, 1);
        await world.provider.fence!(first.prepared, first.c);
        const next = await makeReady(world, base, 2);
        const job = await world.provider.create(next.wire, next.c);
        await world.provider.fence!(next.prepared, next.c);
        const found = await look(world, next, [job]);
        const isListed = found.some(({ id }) => id === job.id);
        expectThat(isListed, 'find after a fence that came too late', `the job ${job.id} among what it lists`, found);
      }),
    ),
  ];
}

function checkJobRef(what: string, job: JobRef, { provider }: LawWorld): void {
  expectJson(what, job);
  expectEqual(`${what}: provider`, job.provider, provider.id);
  expectThat(job.id !== '', `${what}: id`, 'a name of the job', job.id);
  expectIsoTime(`${what}: createdAt`, job.createdAt);
}

async function toCreateOutcome({ provider }: LawWorld, { wire, c }: Ready): Promise<string> {
  return await provider.create(wire, c).then(
    ({ id }) => `the job ${id}`,
    () => 'rejected',
  );
}

/** Every text in a row, however deep it lies. */
function toTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(toTexts) : [];
}

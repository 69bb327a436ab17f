import { isDeepStrictEqual } from 'node:util';
import { isFailure, type Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { RunPlan, UnpaidPlan } from './event.ts';
import { addCharge, checkBudget, getMostUsd, releaseCharge, reserve, type Charge } from './budget.ts';
import { createRecord, getUnpaid } from './record.ts';
import type { RunState } from './transitions.ts';
import { appendEvents, findRun, insertEvents, type StoredRun } from './run-store.ts';

/** Before the intent to submit is stored: nothing of it can have been paid. */
const unsent: readonly RunState[] = ['accepted', 'preparing'];

/**
 * The plans that need money: those for which no run was accepted, or one whose submission has failed before it was sent, so that its money
 * was given back.
 */
export async function findNewPlans(store: Store, plans: readonly RunPlan[]): Promise<RunPlan[]> {
  const keys = plans.map(({ key }) => key);
  const rows = await store
    .selectFrom('run')
    .leftJoin('charge', 'charge.id', 'run.key')
    .select(['run.key', 'run.state', 'charge.state as charge'])
    .where('run.key', 'in', keys)
    .execute();
  const paid = rows.filter(({ state, charge }) => charge !== 'released' || !unsent.includes(state as RunState));
  const known = new Set(paid.map(({ key }) => key));
  return plans.filter(({ key }) => !known.has(key));
}

function toCharge({ key, spec: { job, workspace }, ...plan }: RunPlan, at: string): Charge {
  return { id: key, job, workspace, purpose: 'training', usd: getMostUsd(plan), at };
}

/**
 * Gives the money of a run back whose submission has failed before it was sent, or was certainly not sent. The run stays: submitted again,
 * it goes on. Only under its lease.
 */
export async function releaseUnsent(store: Store, { key, version }: StoredRun): Promise<void> {
  await store.transaction().execute(async (tx) => {
    const now = await findRun(tx, key);
    if (now?.version === version && unsent.includes(now.record.state)) await releaseCharge(tx, key);
  });
}

/**
 * Reserves the money of a run that was given back meanwhile; nothing where it was not, or where the run has gone on without this process.
 * @throws Failure `budget-exceeded`
 */
export async function reserveAgain(store: Store, { key, record }: StoredRun, at: string): Promise<void> {
  await store.transaction().execute(async (tx) => {
    const now = await findRun(tx, key);
    if (now === null || !unsent.includes(now.record.state)) return;
    await reserve(tx, { ...toCharge(record.plan, at), budgetUsd: record.plan.spec.budget.usd });
  });
}

/**
 * Checks that the budget has room for the runs of these plans of one job; `acceptRuns` checks again.
 * @throws Failure `budget-exceeded`
 */
export async function checkPlans(store: Store, plans: readonly RunPlan[]): Promise<void> {
  const [first] = plans;
  if (first === undefined) return;
  const needs = (await findNewPlans(store, plans)).map(({ key, spec, model, ...plan }) => {
    const isNamed = spec.model.kind !== 'folder' && spec.model.kind !== 'hub';
    return { id: key, name: `target "${spec.target}"`, usd: getMostUsd(plan), model: isNamed ? model.base : undefined };
  });
  await checkBudget(store, first.spec, { budgetUsd: first.spec.budget.usd, needs });
}

/**
 * Accepts the planned runs of one job and reserves their upper limits: all or none, in one transaction. A key that is known already is
 * the existing run, and costs nothing more: the same job is one run however often it is submitted. It takes over what is not trained.
 * @throws Failure `budget-exceeded`
 */
export async function acceptRuns(store: Store, plans: readonly RunPlan[], at: string): Promise<StoredRun[]> {
  return await store.transaction().execute(async (tx) => {
    await checkPlans(tx, plans);
    const runs: StoredRun[] = [];
    for (const plan of plans) {
      const known = await findRun(tx, plan.key);
      if (known !== null && unsent.includes(known.record.state)) await addCharge(tx, toCharge(plan, at)); // it may have been given back
      runs.push(known === null ? await insertRun(tx, plan, at) : await updateUnpaid(tx, known, { plan, at }));
    }
    return runs;
  });
}

/** A run that is submitted again takes over what its job file says now beside the training. */
async function updateUnpaid(tx: Store, run: StoredRun, { plan, at }: { readonly plan: RunPlan; readonly at: string }): Promise<StoredRun> {
  const known = getUnpaid(run.record.plan);
  const now = JSON.parse(JSON.stringify(getUnpaid(plan))) as UnpaidPlan;
  const tags = { ...known.spec.tags, ...now.spec.tags }; // those of an earlier command line stay
  const unpaid = { ...now, spec: { ...now.spec, tags } };
  if (isDeepStrictEqual(unpaid, known)) return run;
  return await appendEvents(tx, run.key, { events: [{ type: 'job-file-changed', plan: unpaid }], at, fence: null });
}

/**
 * Accepts a run whose job was found at the provider: its money is spent already.
 * @returns `overrun` is the failure of the budget, if it has no room
 */
export async function acceptFoundRun(store: Store, plan: RunPlan, at: string): Promise<{ run: StoredRun; overrun: Failure | null }> {
  return await store.transaction().execute(async (tx) => {
    const known = await findRun(tx, plan.key);
    if (known !== null) return { run: known, overrun: null };
    let overrun: Failure | null = null;
    try {
      await checkPlans(tx, [plan]);
    } catch (error) {
      if (!isFailure(error, 'budget-exceeded')) throw error;
      overrun = error;
    }
    return { run: await insertRun(tx, plan, at), overrun };
  });
}

async function insertRun(tx: Store, plan: RunPlan, at: string): Promise<StoredRun> {
  const { job, target } = plan.spec;
  const last = await tx
    .selectFrom('run')
    .select((eb) => eb.fn.max('number').as('number'))
    .where('job', '=', job)
    .where('target', '=', target)
    .executeTakeFirst();
  const event = { type: 'run-accepted', plan, number: (last?.number ?? 0) + 1 } as const;
  const record = createRecord(event, at);
  await tx
    .insertInto('run')
    .values({
      key: plan.key,
      job,
      target,
      number: record.number,
      state: record.state,
      version: 1,
      record: JSON.stringify(record),
      observation: null,
      metrics: '{}',
      next_at: 0,
      lease_owner: null,
      lease_until: 0,
      fence: 0,
      created_at: at,
    })
    .execute();
  await insertEvents(tx, plan.key, 0, [event], at);
  await addCharge(tx, toCharge(plan, at));
  return { key: plan.key, version: 1, record, lastPoll: null, metrics: {} };
}

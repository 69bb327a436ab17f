import { isDeepStrictEqual } from 'node:util';
import type { SQLInputValue } from 'node:sqlite';
import { Kysely, type KyselyPlugin } from 'kysely';
import type { Provider } from '../../src/provider/provider.ts';
import { isFailure } from '../../src/errors.ts';
import { advance } from '../../src/run/advance.ts';
import { resolveRun } from '../../src/run/controls.ts';
import type { Driver } from '../../src/run/workspace.ts';
import type { RunEvent, RunPlan } from '../../src/run/event.ts';
import { foldEvent, createRecord, type RunRecord } from '../../src/run/record.ts';
import { appendEvents, findRun, type StoredRun } from '../../src/run/run-store.ts';
import { getRunCharge } from '../../src/run/budget.ts';
import { isEnded } from '../../src/run/transitions.ts';
import { NodeSqliteDialect, openDatabase } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/open-store.ts';
import type { Tables } from '../../src/store/tables.ts';
import { acceptRun, createMemoryDriver, toMemoryPlan } from './memory-provider.ts';
import { createModelService, listingDelayMs, type CreateFault } from './model-service.ts';

/** Where a step is cut off: the worker dies there, or stands still until it is thawed. */
export interface Cut {
  readonly how: 'crash' | 'freeze';
  /** The boundary, from 1. */
  readonly at: number;
}

export type Command =
  | {
      readonly type: 'step';
      readonly worker: 0 | 1;
      readonly mayCreate: boolean;
      readonly fault: CreateFault;
      readonly listLagMs: number;
      readonly cut: Cut | null;
    }
  | { readonly type: 'thaw'; readonly worker: 0 | 1 }
  | { readonly type: 'cancel' | 'finish-jobs' | 'fail-read' | 'lose-state' | 'copy-state' | 'restore-state' }
  | { readonly type: 'decide'; readonly kind: 'absent' | 'cancel'; readonly worker: 0 | 1 }
  | { readonly type: 'pass'; readonly ms: number }
  /** The wall clock is set, forward or back. */
  | { readonly type: 'jump'; readonly ms: number };

/** One thing that is left out of the protocol. */
export type Mutant = 'no intent' | 'no look' | 'no fence' | 'no wait';

export const leaseMs = 60_000;

interface Worker {
  readonly name: string;
  store: Store;
  /** Boundaries until the cut; null where there is none. */
  cut: { how: Cut['how']; left: number } | null;
  stopped: PromiseWithResolvers<'crash' | 'freeze'>;
  /** A step that stands still, and what lets it go on. */
  frozen: { readonly ended: Promise<unknown>; readonly go: () => void } | null;
}

type Row = Record<string, SQLInputValue>;

interface Copy {
  readonly run: readonly Row[];
  readonly event: readonly Row[];
  readonly charge: readonly Row[];
}

export interface ModelFixture {
  perform(command: Command): Promise<void>;
  /** All goes well from now on. @throws where the run does not come to an end, or its job is lost */
  finish(): Promise<{ state: string; attempts: number; bill: number }>;
}

/** The real protocol and store, with a modelled service, two workers and clocks that can be set. Every command ends in all checks. */
export async function createModelFixture(onUncertain: 'ask' | 'retry', mutant: Mutant | null = null): Promise<ModelFixture> {
  const database = openDatabase(':memory:');
  const service = createModelService(boundary);
  const { spec, ...rest } = toMemoryPlan();
  const plan: RunPlan = {
    ...rest,
    spec: { ...spec, onUncertain, budget: { usd: 1, hours: null } },
    quote: { currency: 'USD', low: 0.5, high: 1, source: 'model', asOf: null },
  };
  let wallOffsetMs = Date.parse('2026-01-01T00:00:00.000Z');
  let active: Worker | null = null;
  let wasLost = false;
  let last: RunRecord | null = null;
  let copy: Copy | null = null;

  const now = (): Date => new Date(service.nowMs() + wallOffsetMs);
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await boundary();
      return result;
    },
  };
  const open = (): Store => new Kysely<Tables>({ dialect: new NodeSqliteDialect(database, ':memory:'), plugins: [plugin] });
  const toWorker = (name: string): Worker => ({ name, store: open(), cut: null, stopped: Promise.withResolvers(), frozen: null });
  const workers: readonly [Worker, Worker] = [toWorker('one'), toWorker('two')];

  /** Between any two things that a step does. A worker in a transaction keeps the others out: it can die there, and not stand still. */
  async function boundary(): Promise<void> {
    const worker = active;
    const cut = worker?.cut;
    if (worker === null || cut == null || --cut.left > 0 || (cut.how === 'freeze' && database.isTransaction)) return;
    worker.cut = null;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (cut.how === 'freeze') worker.frozen = { ended: Promise.resolve(), go: resolve };
    worker.stopped.resolve(cut.how);
    await promise;
  }

  function toProvider({ record }: StoredRun): Provider {
    const { provider } = service;
    const isBefore = ['accepted', 'preparing'].includes(record.state);
    if (mutant === 'no look' && isBefore)
      return { ...provider, training: { ...provider.training, find: async () => await Promise.resolve([]) } };
    if (mutant === 'no fence') return { ...provider, training: { ...provider.training, fence: async () => await Promise.resolve() } };
    if (mutant === 'no wait') return { ...provider, listingDelayMs: 0 };
    return provider;
  }

  const wait = async (ms: number): Promise<void> => {
    await boundary();
    service.pass(ms);
    await boundary();
  };
  const toDriver = (worker: Worker, mayCreate: boolean, seen: StoredRun): Driver =>
    createMemoryDriver(worker.store, toProvider(seen), { now, wait, mayCreate, owner: worker.name, leaseMs });

  /** Runs a step of a worker to its end, or to where it is cut off. A failure that the protocol foresees ends it, any other is a fault. */
  async function run(worker: Worker, cut: Cut | null, act: () => Promise<unknown>): Promise<void> {
    worker.cut = cut === null ? null : { how: cut.how, left: cut.at };
    await goOn(worker, () =>
      act().catch((error: unknown) => {
        if (!isFailure(error) || error.code === 'unexpected') throw error;
      }),
    );
  }

  async function goOn(worker: Worker, begin: () => Promise<unknown>): Promise<void> {
    active = worker;
    worker.stopped = Promise.withResolvers();
    const ended = begin();
    const how = await Promise.race([ended.then(() => 'ended' as const), worker.stopped.promise]);
    worker.cut = null;
    active = null;
    if (how === 'crash') crash(worker);
    if (how === 'freeze') worker.frozen = { ended, go: worker.frozen!.go };
  }

  function crash(worker: Worker): void {
    if (database.isTransaction) database.exec('rollback');
    worker.store = open();
    // The intent of another worker, which stands still, is not this one's to lose.
    if (mutant === 'no intent' && workers.every(({ frozen }) => frozen === null)) forgetIntent();
  }

  function forgetIntent(): void {
    const events = readEvents();
    if (events.at(-1)?.event.type !== 'submission-intended') return;
    const record = foldAll(events.slice(0, -1));
    database.prepare('delete from event where version = ?').run(events.length);
    database.prepare('update run set record = ?, state = ?, version = version - 1').run(JSON.stringify(record), record.state);
  }

  function readEvents(): { at: string; event: RunEvent }[] {
    const rows = database.prepare('select at, type, body from event order by version').all() as {
      at: string;
      type: string;
      body: string;
    }[];
    return rows.map(({ at, type, body }) => ({ at, event: { type, ...(JSON.parse(body) as object) } as RunEvent }));
  }

  const read = async (): Promise<StoredRun> => (await findRun(open(), plan.key))!;
  const bill = (): number => service.jobs.length;

  async function check(): Promise<void> {
    const { record, version } = await read();
    const events = readEvents();
    if (bill() > 1) throw new Error(`DOUBLE: paid for ${bill()} times`);
    if (version !== events.length || !isDeepStrictEqual(foldAll(events), record)) throw new Error('the row is not the fold of its events');
    if (last !== null && isEnded(last.state) && last.state !== record.state) throw new Error(`${last.state} became ${record.state}`);
    if (record.state === 'rejected' && !wasLost) throw new Error('the service has refused nothing, and the run is rejected');
    const job = service.jobs.find(({ id }) => id === record.job?.id);
    if (record.job !== null && job === undefined) throw new Error(`the run's job ${record.job.id} was never paid for`);
    if (record.state === 'cancelled' && !wasLost && bill() > 0 && job?.status !== 'cancelled')
      throw new Error('cancelled, and its job goes on');
    if (!wasLost && isPaidAfterCancel(events, service.jobs)) throw new Error('paid for after a cancel that came before the intent');
    if (record.state === 'succeeded' && job?.status !== 'succeeded') throw new Error('succeeded, and its job has not');
    const [charge, ...others] = database.prepare('select state, micro_dollars from charge').all();
    const { state, usd } = getRunCharge(record);
    if (others.length > 0 || charge?.['state'] !== state || charge['micro_dollars'] !== (usd ?? 0) * 1e6)
      throw new Error(`the charge ${JSON.stringify(charge)} is not that of the run's events: ${state} ${usd}`);
    if (bill() > 0 && state === 'released' && !wasLost) throw new Error('paid for, and its charge is released');
    last = record;
  }

  /** The state can be lost, or be replaced by an older copy, without harm when nobody works on it and every job is listed. */
  async function loseState(older: Copy | null): Promise<void> {
    if (workers.some(({ frozen }) => frozen !== null) || !service.isQuiet()) return;
    service.pass(listingDelayMs);
    for (const table of ['event', 'run', 'charge']) database.exec(`delete from ${table}`);
    if (older === null) await acceptRun(open(), plan, now().toISOString());
    else for (const table of ['run', 'event', 'charge'] as const) for (const row of older[table]) insert(table, row);
    wasLost = true;
    last = null;
  }

  const toRows = (table: string): Row[] => database.prepare(`select * from ${table}`).all();
  function insert(table: string, row: Row): void {
    const names = Object.keys(row);
    const sql = `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`;
    database.prepare(sql).run(...Object.values(row));
  }

  async function perform(command: Command): Promise<void> {
    switch (command.type) {
      case 'step': {
        const worker = workers[command.worker];
        if (worker.frozen !== null) break;
        service.plan(command.fault, command.listLagMs);
        const seen = await read();
        await run(worker, command.cut, async () => await advance(toDriver(worker, command.mayCreate, seen), seen));
        break;
      }
      case 'thaw': {
        const worker = workers[command.worker];
        const { frozen } = worker;
        if (frozen === null) break;
        worker.frozen = null;
        await goOn(worker, async () => {
          frozen.go();
          await frozen.ended;
        });
        break;
      }
      case 'cancel':
        await appendEvents(open(), plan.key, { events: [{ type: 'cancel-requested' }], at: now().toISOString(), fence: null });
        break;
      case 'decide': {
        const worker = workers[command.worker];
        const seen = await read();
        // Whoever says that there is no job is right at that moment.
        if (worker.frozen !== null || seen.record.state !== 'attention' || bill() > 0) break;
        await run(worker, null, async () => await resolveRun(toDriver(worker, false, seen), seen, { kind: command.kind }));
        break;
      }
      case 'finish-jobs':
        service.finishJobs();
        break;
      case 'fail-read':
        service.failNextRead();
        break;
      case 'lose-state':
        await loseState(null);
        break;
      case 'copy-state':
        copy = { run: toRows('run'), event: toRows('event'), charge: toRows('charge') };
        break;
      case 'restore-state':
        if (copy !== null) await loseState(copy);
        break;
      case 'pass':
        service.pass(command.ms);
        break;
      case 'jump':
        wallOffsetMs += command.ms;
        break;
    }
    await check();
  }

  await acceptRun(open(), plan, now().toISOString());
  return {
    perform,
    async finish() {
      for (const worker of [0, 1] as const) await perform({ type: 'thaw', worker });
      for (let steps = 0; steps < 40; steps++) {
        const { record } = await read();
        if (isEnded(record.state) || record.state === 'attention') break;
        await perform({ type: 'step', worker: 0, mayCreate: true, fault: 'ok', listLagMs: 0, cut: null });
        await perform({ type: 'finish-jobs' });
        await perform({ type: 'pass', ms: leaseMs + 1 });
      }
      const { record } = await read();
      if (!isEnded(record.state) && record.state !== 'attention') throw new Error(`the run does not come to an end: ${record.state}`);
      if (bill() > 0 && isEnded(record.state) && record.job === null && !wasLost) throw new Error(`${record.state}, and its job is lost`);
      database.close();
      return { state: record.state, attempts: record.attempt, bill: bill() };
    },
  };
}

function isPaidAfterCancel(events: readonly { event: RunEvent }[], jobs: readonly { attempt: number }[]): boolean {
  const cancelled = events.findIndex(({ event }) => event.type === 'cancel-requested');
  if (cancelled === -1) return false;
  return events.slice(cancelled).some(({ event }) => {
    return event.type === 'submission-intended' && jobs.some(({ attempt }) => attempt === event.attempt);
  });
}

function foldAll(events: readonly { at: string; event: RunEvent }[]): RunRecord {
  return events.reduce<RunRecord | null>((record, { at, event }) => {
    return event.type === 'run-accepted' ? createRecord(event, at) : foldEvent(record!, event, at);
  }, null)!;
}

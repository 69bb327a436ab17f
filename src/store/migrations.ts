import type { DatabaseSync } from 'node:sqlite';

/** What one version of the schema changes: SQL statements, and functions for what SQL cannot say. All run in one transaction. */
type Migration = readonly (string | ((database: DatabaseSync) => void))[];

/** What each version of the schema changes, in order. A released entry never changes. */
export const migrations: readonly Migration[] = [
  [
    `create table run (key text primary key, job text not null, target text not null, number integer not null, state text not null,
       version integer not null, record text not null, observation text, metrics text not null, next_at integer,
       lease_owner text, lease_until integer not null default 0, fence integer not null default 0, created_at text not null,
       unique (job, target, number)) strict`,
    `create index run_next on run (next_at) where next_at is not null`,
    `create table event (seq integer primary key, run text not null references run, version integer not null, at text not null,
       type text not null, body text not null, unique (run, version)) strict`,
    `create table metric (run text not null references run, split text not null, name text not null, coverage text not null,
       position text not null, step integer, body text not null, primary key (run, split, name, coverage, position)) strict`,
    `create table log (seq integer primary key, run text not null references run, at text not null, text text not null) strict`,
    `create index log_run on log (run, seq)`,
    `create table prediction (key text primary key, body text not null) strict`,
    `create table limiter (name text primary key, tokens text not null, updated_at integer not null, blocked_until integer not null) strict`,
    `create table charge (id text primary key, job text not null, workspace text, what text not null, state text not null,
       micro_dollars integer, at text not null) strict`,
    `create index charge_job on charge (job)`,
  ],
  [
    `alter table charge rename column what to purpose`,
    `alter table charge add column in_flight_micro_dollars integer`,
    `alter table charge add column lease_owner text`,
    `alter table charge add column lease_until integer`,
    `alter table prediction add column charge text`,
    `create index prediction_charge on prediction (charge) where charge is not null`,
    moveChargesOfAnswers,
    unpackChargeIds,
    renameFields,
    forgetMeaninglessBests,
  ],
];

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Rewrites the JSON of a column row by row; rows are read in parts, as there may be many. */
function rewriteJson(database: DatabaseSync, [table, column]: readonly [string, string], rewrite: (value: Json) => unknown): void {
  const read = database.prepare(
    `select rowid as id, ${column} as json from ${table} where rowid > ? and ${column} is not null order by rowid limit 500`,
  );
  const write = database.prepare(`update ${table} set ${column} = ? where rowid = ?`);
  let rows = read.all(0);
  for (; rows.length > 0; rows = read.all(rows.at(-1)!['id']!)) {
    for (const { id, json } of rows) write.run(JSON.stringify(rewrite(JSON.parse(json as string) as Json)), id!);
  }
}

/** The charge of a paid answer was a part of its JSON. */
function moveChargesOfAnswers(database: DatabaseSync): void {
  database.exec(`update prediction set charge = body ->> '$.paid.charge'`);
  rewriteJson(database, ['prediction', 'body'], (answer) => {
    if (!isObject(answer['paid'])) return answer;
    const { charge: _, ...paid } = answer['paid'];
    return { ...answer, paid };
  });
}

/**
 * The charge of answers was called `evaluation/<host>/<pid>/<nonce>/<id>/<micro-dollars in flight>`, and a host may have a slash in its
 * name. Its process belongs to an older program, so that its lease has ended.
 */
function unpackChargeIds(database: DatabaseSync): void {
  const rows = database.prepare(`select id from charge where purpose = 'predictions'`).all() as { id: string }[];
  const unpack = database.prepare(
    `update charge set id = ?, purpose = ?, in_flight_micro_dollars = ?, lease_owner = ?, lease_until = 0 where id = ?`,
  );
  const move = database.prepare(`update prediction set charge = ? where charge = ?`);
  for (const { id: packed } of rows) {
    const [, purpose = 'evaluation', host = '', pid = '', id = packed, inFlight = '0'] =
      /^(evaluation|texts)\/(.*)\/(\d+)\/[^/]+\/([^/]+)\/(\d+)$/s.exec(packed) ?? [];
    unpack.run(id, purpose, Number(inFlight), `process ${pid} on ${host}`, packed);
    move.run(id, packed);
  }
}

/** An object with some of its fields changed; a field that is absent or null stays so. */
function changeFields(value: unknown, changes: Readonly<Record<string, (field: unknown) => unknown>>): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, changes[name]?.(field) ?? field]));
}

function renameField(value: unknown, from: string, to: string): unknown {
  if (!isObject(value) || !(from in value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name === from ? to : name, field]));
}

function renameFields(database: DatabaseSync): void {
  const plan = (value: unknown): unknown => renameField(value, 'end', 'deprecation');
  const located = (value: unknown): unknown => renameField(value, 'place', 'location');
  const withModel = (value: unknown): unknown => changeFields(value, { model: located });
  rewriteJson(database, ['run', 'record'], (record) =>
    changeFields(record, {
      plan,
      job: located,
      artifacts: (artifacts) => (artifacts as unknown[]).map(withModel),
      deployment: withModel,
    }),
  );
  rewriteJson(database, ['event', 'body'], (body) => changeFields(body, { plan, job: located, artifact: withModel, model: located }));
  rewriteJson(database, ['run', 'observation'], (observation) =>
    renameField(renameField(observation, 'unseen', 'failedPolls'), 'nextAt', 'nextPollAt'),
  );
}

/** A learning rate and the norm of a gradient have no best value. */
function forgetMeaninglessBests(database: DatabaseSync): void {
  rewriteJson(database, ['run', 'metrics'], (metrics) =>
    Object.fromEntries(
      Object.entries(metrics).map(([name, summary]) => [
        name,
        /\/(learning_rate|grad_norm)$/.test(name) ? { ...(summary as Json), best: null, bestStep: null } : summary,
      ]),
    ),
  );
}

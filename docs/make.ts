/**
 * Writes the parts of the pages in this folder that come from the code: `npm run docs`. A part stands between
 * `<!-- made: NAME -->` and `<!-- /made -->`; a test holds that none is stale.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands, sharedOptions } from '../src/cli/commands.ts';
import { findingKinds } from '../src/dataset/findings.ts';
import { failureKinds, outcomeStatuses } from '../src/errors.ts';
import { buildJobSchema, reservedFields } from '../src/job/job-spec.ts';
import { providers } from '../providers/index.ts';
import { longestPauseMs } from '../src/run/limiter.ts';
import { maxAttempts, patienceMs } from '../src/run/reconcile.ts';
import { transitions, type RunState } from '../src/run/transitions.ts';

/** What `advance` does with a run in each state. */
const stateActions: Readonly<Record<RunState, string>> = {
  accepted: 'look for a job with this key at the provider and adopt it; else prepare (submit only)',
  preparing: 'look again; store the intent with the exact body, then create once (submit only)',
  submitting: 'the process that stored the intent may have died: treat the submission as unanswered',
  uncertain:
    'look; wait; look; fence the attempt; wait until a job would certainly be listed; look twice; then adopt, start the next attempt, or ask',
  attention: 'nothing: a person decides (`orchestrate resolve`)',
  rejected: 'nothing; prepared data was discarded where possible',
  submitted: 'poll the job; once, look for a second one and cancel it',
  validating: 'poll the job',
  queued: 'poll the job',
  running: 'poll the job',
  finalizing: 'poll the job',
  paused: 'poll the job; `orchestrate resume` continues it',
  interrupted: 'resume the job, at most three times without a new checkpoint',
  cancelling: 'poll the job',
  unknown: 'poll the job rarely; never cancel or submit again',
  succeeded: 'nothing',
  failed: 'nothing',
  cancelled: 'nothing',
  expired: 'nothing',
};

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

function toTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const toLine = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [toLine(header), toLine(header.map(() => '---')), ...rows.map(toLine)].join('\n');
}

/** What may stand in a field, in a few words. */
function toKind(schema: Schema): string {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.filter(({ type }) => type !== 'null').map(toKind))].join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' ');
  if (schema.type === 'array') return `list of ${toKind(schema.items ?? {})}`;
  if (schema.type === 'object') return schema.properties === undefined ? 'map' : `{${Object.keys(schema.properties).join(', ')}}`;
  if (schema.type === 'integer' || schema.type === 'number') return toNumberKind(schema);
  return schema.type ?? 'any JSON';
}

function toNumberKind({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const isSafe = (bound: number | undefined): bound is number => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const low = isSafe(exclusiveMinimum) ? `> ${exclusiveMinimum}` : isSafe(minimum) ? `>= ${minimum}` : null;
  const high = isSafe(exclusiveMaximum) ? `< ${exclusiveMaximum}` : isSafe(maximum) ? `<= ${maximum}` : null;
  return [type === 'integer' ? 'integer' : 'number', ...[low, high].filter((bound) => bound !== null)].join(' ');
}

/** A row for each field, those of objects inside it after it. */
function toFieldRows(schema: Schema, path: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    const row = [`\`${here}\`${isRequired ? ' *' : ''}`, toKind(field), field.description ?? ''];
    // The fields of a target's `training` are the job's own.
    if (here === 'targets.NAME.training') return [row];
    const inner = typeof field.additionalProperties === 'object' && field.properties === undefined ? field.additionalProperties : undefined;
    return [row, ...toFieldRows(field, here), ...(inner?.properties === undefined ? [] : toFieldRows(inner, `${here}.NAME`))];
  });
}

function toCommandText({ usage, summary, options = [] }: (typeof commands)[number]): string {
  const rows = options.map(([flags, description]) => [`\`${flags}\``, description]);
  return [
    `### \`orchestrate ${usage}\``,
    '',
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    ...(rows.length === 0 ? [] : ['', toTable(['option', 'what'], rows)]),
  ].join('\n');
}

/** What may follow in each state, and what is done about a run in it; states that are alike share a row. */
function toStateRows(): string[][] {
  const words: Readonly<Record<string, string>> = {
    phase: "the job's phase",
    same: 'no change',
    decided: '`submitted` (adopt), `preparing` (absent), `cancelled` (cancel)',
  };
  const toEvents = (state: RunState): string => {
    const byNext = [...Map.groupBy(Object.entries(transitions[state]), ([, next]) => next)];
    return byNext.map(([next, events]) => `${events.map(([event]) => event).join(', ')} → ${words[next] ?? `\`${next}\``}`).join('; ');
  };
  const states = Object.keys(transitions) as RunState[];
  return [...Map.groupBy(states, (state) => `${stateActions[state]} | ${toEvents(state)}`).values()].map((alike) => {
    return [alike.map((state) => `\`${state}\``).join(' '), stateActions[alike[0]!], toEvents(alike[0]!)];
  });
}

function toConstantRows(): string[][] {
  const hours = (ms: number): string => `${ms / 3_600_000} h`;
  return [
    ['most attempts to submit', String(maxAttempts)],
    ['a person has to decide if no listing succeeded for', hours(patienceMs)],
    ['longest pause between two polls', `${longestPauseMs / 60_000} min`],
    ...providers
      .filter(({ listingDelayMs }) => listingDelayMs > 0)
      .map(({ id, listingDelayMs }) => [`\`${id}\` lists a created job within (\`listingDelayMs\`)`, `${listingDelayMs / 1000} s`]),
  ];
}

/** The parts by name. */
export function makeParts(): Readonly<Record<string, string>> {
  return {
    fields: toTable(['field (* required)', 'value', 'what'], toFieldRows(buildJobSchema(), '')),
    reserved: reservedFields.map((field) => `\`${field}\``).join(', '),
    commands: commands.map(toCommandText).join('\n\n'),
    'shared options': toTable(
      ['option', 'what'],
      sharedOptions.map(([flags, description]) => [`\`${flags}\``, description]),
    ),
    transitions: toTable(['state', 'what is done', 'event → state'], toStateRows()),
    constants: toTable(['what', 'how much'], toConstantRows()),
    findings: toTable(
      ['code', 'severity', 'meaning'],
      Object.entries(findingKinds).map(([code, { severity, meaning }]) => [`\`${code}\``, severity, meaning]),
    ),
    outcomes: toTable(['exit status', 'when'], Object.entries(outcomeStatuses)),
    failures: toTable(
      ['code', 'exit status', 'cause', 'meaning'],
      Object.entries(failureKinds).map(([code, { exit, cause, meaning }]) => [`\`${code}\``, String(exit), cause, meaning]),
    ),
  };
}

/** A page with its made parts as they should be. @throws where a part is unknown */
export function makePage(page: string): string {
  const parts = makeParts();
  return page.replaceAll(/(<!-- made: ([^>]+) -->\n)[\s\S]*?(<!-- \/made -->)/g, (_, open: string, name: string, close: string) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`no part is called "${name}"`);
    return `${open}\n${part}\n\n${close}`;
  });
}

/** The pages that have such parts. */
export const madePages = globSync(join(import.meta.dirname, '*.md'))
  .filter((page) => /^<!-- made: /m.test(readFileSync(page, 'utf8')))
  .sort();

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const page of madePages) writeFileSync(page, makePage(readFileSync(page, 'utf8')));
}

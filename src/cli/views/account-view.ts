import type { ModelSizes } from '../../provider/provider.ts';
import type { ServiceFile, ServiceJob, ServiceModel } from '../../provider/service.ts';
import type { ImportRecord } from '../../import/import-record.ts';
import type { importConfig } from '../../import/import-config.ts';
import { formatBytes, quoteWord } from '../../lib/text.ts';
import { formatAge } from '../../run/deprecation.ts';
import type { RunView } from '../../run/run-view.ts';
import { nameCommand } from '../cli.ts';
import { escapeLine, escapeText } from '../escape.ts';
import { formatCount, formatSeconds, formatTable } from './format.ts';

export interface ServiceView {
  readonly jobs: readonly ServiceJob[];
  readonly models: readonly ServiceModel[];
  /** Null: the service has no list of them. */
  readonly files: readonly ServiceFile[] | null;
}

/** What an account has at a service, to be brought home. */
export function formatAccount({ jobs, models, files }: ServiceView, now: Date, width = Infinity): string {
  const jobRows = jobs.map(({ job, status, base, model, end }) =>
    [job.id, status.raw, formatDay(job.createdAt), base, model ?? '', end?.date ?? ''].map(escapeLine),
  );
  const fileRows = (files ?? []).map(({ id, purpose, bytes, createdAt, expiresAt, name }) => {
    const size = bytes === null ? '' : formatCount(bytes);
    return [id, purpose ?? '', size, formatDay(createdAt), formatDay(expiresAt), name ?? ''].map(escapeLine);
  });
  return [
    jobs.length === 0
      ? 'no jobs'
      : formatTable([['JOB', 'STATUS', 'CREATED', 'BASE', 'MODEL', 'ENDS'], ...jobRows], { width, importance: [0, 1, 4, 5, 3] }),
    ...(models.length === 0 ? [] : [formatModels(models, now, width)]),
    ...(files === null ? ['the service does not list its files'] : []),
    ...(fileRows.length === 0
      ? []
      : [
          formatTable([['FILE', 'PURPOSE', 'BYTES', 'CREATED', 'EXPIRES', 'NAME'], ...fileRows], {
            right: [2],
            width,
            importance: [0, 5, 1],
          }),
        ]),
  ].join('\n\n');
}

export interface ImportedView {
  readonly folder: string;
  readonly record: ImportRecord;
  readonly run: RunView | null;
  readonly problem: string | null;
}

/** What was brought home, and what was not. */
export function formatImport({ folder, record, run, problem }: ImportedView): string {
  const files = record.files.map(({ name, bytes }) => [`  ${escapeLine(name)}`, `${formatCount(bytes)} bytes`]);
  const notes = [
    ...record.missing.map((text) => `missing: ${text}`),
    ...record.notes.filter((text) => text !== problem).map((text) => `note: ${text}`),
    ...(problem === null ? [] : [`note: ${problem}`]),
  ];
  return [
    escapeLine(`${record.id} (${record.status ?? 'unknown'}) is in ${folder}`),
    ...(files.length === 0 ? [] : [formatTable(files, { right: [1] })]),
    ...notes.map((text) => `  ${escapeText(text).replaceAll('\n', '\n  ')}`),
    ...(run === null ? [] : [escapeLine(`run  ${run.id}  ${run.status.phase}`)]),
    escapeLine(`next: ${getNextStep({ folder, record, run, problem })}`),
  ].join('\n');
}

/** A command that can succeed, with what must be done before it. */
function getNextStep({ folder, record, run }: ImportedView): string {
  if (run !== null) return nameCommand(`status ${run.id}`);
  const has = (wanted: string): boolean => record.files.some(({ name }) => name === wanted);
  if (!has('job.jsonc')) return nameCommand(`import ${record.provider} --list`);
  const plan = nameCommand(`plan ${quoteWord(`${folder}/job.jsonc`)}`);
  return has('train.jsonl')
    ? `fix the rows in ${folder}/train.jsonl, or the job file, then ${plan}`
    : `put the rows into ${folder}/train.jsonl, then ${plan}`;
}

/** What did not become a field of the job under the same name, and what had to be assumed of the source, a line each. */
export function formatConfig({ path, notes, absent }: Awaited<ReturnType<typeof importConfig>>): string {
  const lines = notes.flatMap(({ kind, path: from, field, value, text }) => {
    const why = text === null ? '' : `: ${text}`;
    if (kind === 'unmatched') return [`  without an equal: ${from}${why}`];
    if (kind === 'converted') return [`  converted: ${from}${why}`];
    return kind === 'absent' && decisive.includes(field) ? [`  assumed: ${field} = ${JSON.stringify(value)}${why}`] : [];
  });
  const first = absent.length === 0 ? '' : `put ${absent.join(' and ')} there, or name others in the job file, then `;
  return [path, ...lines, `next: ${first}${nameCommand(`plan ${quoteWord(path)}`)}`].map(escapeLine).join('\n');
}

/** Fields that make another training of the whole job; what else is absent is told in the file. */
const decisive: readonly (string | null)[] = ['task', 'training.method'];

/** One line a model: those that can be tuned, then the account's own. A date says who told it, and when that was read long ago. */
export function formatModels(models: readonly ServiceModel[], now: Date, width = Infinity): string {
  const header = ['MODEL', 'KIND', 'CREATED', 'ENDS', 'SAYS'];
  const rows = models.map(({ name, kind, createdAt, end }) => {
    const says = end === null ? '' : `${end.source}${end.asOf === null ? '' : `, as of ${end.asOf}`}${formatAge(end, now)}`;
    return [name, kind, formatDay(createdAt), end?.date ?? '', says].map(escapeLine);
  });
  return formatTable([header, ...rows], { width, importance: [0, 3, 1] });
}

/** Rows and passes that a time is told for. */
const [exampleRows, examplePasses] = [1000, 3];

/** One line a size, with what was measured. */
export function formatSizes({ measuredOn, kinds, sizes }: ModelSizes, width = Infinity): string {
  const [rows, tokens] = [sizes[0]?.batch.rows ?? 0, sizes[0]?.batch.tokens ?? 0];
  const header = ['FAMILY', 'LAYERS', 'PARAMETERS', 'ROWS/S', `${formatCount(exampleRows)} ROWS`, 'MEMORY', 'SUCH AS'];
  const lines = sizes.map(({ family, size, parameters, rowsPerSecond, memoryBytes, examples }) => {
    const time = formatSeconds((exampleRows * examplePasses) / rowsPerSecond);
    const millions = `${(parameters / 1e6).toFixed(1)} M`;
    return [family, size, millions, String(rowsPerSecond), time, formatBytes(memoryBytes), examples[0] ?? ''].map(escapeLine);
  });
  return [
    formatTable([header, ...lines], { width, right: [2, 3, 4, 5], importance: [1, 3, 6, 4] }),
    '',
    `Measured in batches of ${rows} rows of ${tokens} tokens: ${escapeLine(measuredOn)}. The time is that of ${examplePasses} passes.`,
    `Models of these kinds train here (model_type in config.json): ${kinds.map(escapeLine).join(', ')}.`,
    `Other sizes train too: \`${nameCommand('plan JOB')}\` computes their time and memory.`,
  ].join('\n');
}

/** The day of a time, both ISO 8601; nothing where there is none. */
export function formatDay(time: string | null): string {
  return time?.slice(0, 10) ?? '';
}

/** The report of `data check`: what data files hold, and everything that is wrong with them. */
import { isFailure, type Failure } from '../errors.ts';
import { findLabelColumns } from '../lib/label-columns.ts';
import { findingKinds, type Finding, type FindingCode, type Severity } from './findings.ts';
import { inspectDataset, type DatasetSources } from './inspect.ts';
import { createBadRows, type BadRows } from './bad-rows.ts';
import { formatWarning, type DataWarning, type ReadPart } from './problems.ts';
import { readRowBatches } from './read-rows.ts';
import type { Place } from './row-events.ts';
import { type RowTask } from './row.ts';
import { findForService, toServiceData, type Service } from './service-rules.ts';
import { findShape } from './shapes.ts';
import { countTokens, type RowTokenizer, type TokenFacts } from './token-counts.ts';
import type { SourceFacts } from './tally.ts';

/** A single row with what is wrong with it. */
export interface RowFinding extends Place {
  readonly severity: Severity;
  readonly code: FindingCode;
  readonly message: string;
}

export interface PartReport {
  readonly name: string;
  readonly sources: readonly SourceFacts[];
  readonly rows: number;
  readonly labels: Readonly<Record<string, number>>;
  /** Rows without a label, where a row may have several; absent: every row has one, or none of them can. */
  readonly unlabelled?: number;
  readonly longestCharacters: number;
  /** How many rows have from 2^i to below 2^(i+1) characters. */
  readonly lengths: readonly number[];
  /** Absent where no tokenizer was named. */
  readonly tokens?: TokenFacts;
}

export interface DataReport {
  readonly task: RowTask;
  readonly parts: readonly PartReport[];
  /** The gravest first. */
  readonly findings: readonly Finding[];
}

export interface CheckOptions extends Omit<DatasetSources, 'task'> {
  /** Absent: told by the first row. */
  readonly task?: RowTask;
  /** Services for which the rows are meant. */
  readonly services: readonly Service[];
  /** Receives each row that cannot be used. */
  readonly onRow?: (finding: RowFinding) => void;
  /** Counts tokens, in a further pass. */
  readonly tokenizer?: RowTokenizer | null;
}

/**
 * Checks data files as `plan` and `submit` do, but goes on after what is wrong.
 * @throws Failure where a file is not there or may not be read
 */
export async function checkDataset({ services: wanted, onRow, tokenizer = null, ...sources }: CheckOptions): Promise<DataReport> {
  const failures: Failure[] = [];
  const parts: ReadPart[] = [];
  const badRows = watchBadRows(onRow);
  let warnings: readonly DataWarning[] = [];
  let task = sources.task ?? 'classification';
  try {
    task = sources.task ?? (await findTask(sources.train[0]!, sources));
    const hooks = { badRows, onFailure: (failure: Failure) => failures.push(failure), onPart: (part: ReadPart) => parts.push(part) };
    ({ warnings } = await inspectDataset({ ...sources, task }, hooks));
  } catch (error) {
    if (!isFailure(error, 'data-invalid')) throw error;
    failures.push(error); // the whole file cannot be read
  }
  const counted = tokenizer === null ? [] : await countParts(tokenizer, { ...sources, task, services: wanted }, parts);
  const hasBadRows = badRows.list().length > 0;
  const findings = [
    ...badRows.list().map(({ failures: alike, places, rows }): Finding => {
      return { ...toFinding(alike[0]!), rows, lines: places.map(({ line }) => line) };
    }),
    // A part without a usable row has its reason above.
    ...failures.filter(({ finding }) => !(hasBadRows && ['rows-missing', 'labels-one'].includes(finding ?? ''))).map(toFinding),
    ...warnings.map(toWarningFinding),
    ...wanted.flatMap((service) => findForService(service, toServiceData(task, parts))),
    ...counted.flatMap(({ findings: ofTokens }) => ofTokens),
    ...[tokenizer?.getNote(task) ?? null].flatMap((note) => (note === null ? [] : [toNote('tokens-about', `${tokenizer!.name}: ${note}`)])),
  ];
  const ranks: readonly Severity[] = ['error', 'warning', 'note'];
  return {
    task,
    parts: parts.map((part, i) => ({ ...toPartReport(part), ...(counted[i] && { tokens: counted[i].facts }) })),
    findings: findings.sort((a, b) => ranks.indexOf(a.severity) - ranks.indexOf(b.severity)),
  };
}

function toNote(code: FindingCode, message: string): Finding {
  return { severity: findingKinds[code].severity, code, message, hint: null, rows: null, lines: [] };
}

type Counted = Awaited<ReturnType<typeof countTokens>>;

/** Tokens of each part; with a share of the training rows for a part, none is counted apart. */
async function countParts(
  tokenizer: RowTokenizer,
  { task, columns, quote, services: wanted, ...files }: CheckOptions & { readonly task: RowTask },
  parts: readonly ReadPart[],
): Promise<Counted[]> {
  // TRL learns the last answer alone.
  const answers = wanted.length > 0 && wanted.every((service) => service === 'huggingface') ? 'last' : 'all';
  const labels = [...(parts.find(({ tally }) => tally.name === 'train')?.tally.labels.keys() ?? [])].sort();
  const validation = Array.isArray(files.validation) ? (files.validation as readonly string[]) : [];
  const counted: Counted[] = [];
  for (const { tally } of parts) {
    const paths =
      tally.name === 'train'
        ? files.train
        : tally.name === 'validation'
          ? validation
          : (files.test[tally.name.slice('test/'.length)] ?? []);
    counted.push(await countTokens(paths, { tokenizer, shape: { task, columns, quote }, answers, labels }));
  }
  return counted;
}

function watchBadRows(onRow: CheckOptions['onRow']): BadRows {
  const badRows = createBadRows();
  return {
    ...badRows,
    add(failure, place) {
      const { severity, code, message } = toFinding(failure);
      onRow?.({ ...place, severity, code, message });
      badRows.add(failure, place);
    },
  };
}

/** What the first row of a file is. */
export async function findTask(path: string, { columns, quote }: Pick<DatasetSources, 'columns' | 'quote'>): Promise<RowTask> {
  for await (const [first] of readRowBatches(path, { onBadRow: () => {}, columns: [], quote })) {
    const { row } = first!;
    const has = (name: string): boolean => Object.hasOwn(row, columns[name] ?? name);
    if (has('chosen') || Object.hasOwn(row, 'preferred_output')) return 'preference';
    if (findLabelColumns(columns) !== null || (has('labels') && !has('label'))) return 'multi-label';
    if (has('text') || has('label')) return 'classification';
    return findShape(row, columns['messages'] ?? 'messages') === null ? 'classification' : 'chat';
  }
  return 'classification';
}

function isCode(text: string | null): text is FindingCode {
  return text !== null && Object.hasOwn(findingKinds, text);
}

function toFinding({ finding, message, hint }: Failure): Finding {
  const code = isCode(finding) ? finding : 'unexpected';
  const line = /:(\d+)/.exec(message)?.[1];
  return { severity: findingKinds[code].severity, code, message, hint, rows: null, lines: line === undefined ? [] : [Number(line)] };
}

const warningCodes: Readonly<Record<Exclude<DataWarning, { readonly code: string }>['type'], FindingCode>> = {
  'missing-labels': 'labels-missing',
  'uneven-labels': 'labels-uneven',
  'duplicate-rows': 'rows-twice',
  'texts-in-training': 'rows-leaked',
  'contradictory-labels': 'rows-contradict',
  'similar-labels': 'labels-alike',
  'rare-labels': 'labels-rare',
  'many-labels': 'labels-many',
};

function toWarningFinding(warning: DataWarning): Finding {
  const code = !('code' in warning) ? warningCodes[warning.type] : isCode(warning.code) ? warning.code : 'unexpected';
  const { severity } = findingKinds[code];
  const lines = toLines(warning);
  return { severity, code, message: formatWarning(warning), hint: null, rows: 'rows' in warning ? warning.rows : null, lines };
}

function toPartReport({ tally, files }: ReadPart): PartReport {
  const { name, rows, labels, unlabelled, longestCharacters, lengths } = tally;
  const counts = Object.fromEntries([...labels].map(([label, { rows: count }]) => [label, count]));
  const without = unlabelled === 0 ? {} : { unlabelled };
  return {
    name,
    sources: files.sources,
    rows,
    labels: counts,
    ...without,
    longestCharacters,
    lengths: Array.from(lengths, (count) => count ?? 0),
  };
}

function toLines(warning: DataWarning): readonly number[] {
  if ('lines' in warning && warning.lines !== undefined) return warning.lines;
  if ('places' in warning) return warning.places.map(({ line }) => line);
  return 'example' in warning && warning.example !== undefined ? [warning.example.line] : [];
}

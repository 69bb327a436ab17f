/** The report of `data check`: what data files hold, and everything that is wrong with them. */
import { isFailure, type Failure } from '../errors.ts';
import { findingKinds, type FindingCode, type Severity } from './findings.ts';
import { inspectDataset, type DatasetSources } from './inspect.ts';
import { createBadRows, formatWarning, type BadRows, type DataWarning, type ReadPart } from './problems.ts';
import { readRowBatches } from './read-rows.ts';
import type { Place } from './row-events.ts';
import { type RowTask } from './row.ts';
import { findShape } from './shapes.ts';
import type { SourceFacts } from './tally.ts';

export interface Finding {
  readonly severity: Severity;
  readonly code: FindingCode;
  readonly message: string;
  /** What to do about it; null where the message says it. */
  readonly hint: string | null;
  /** How many rows have it; null where it is not about rows. */
  readonly rows: number | null;
  /** The first lines that have it. */
  readonly lines: readonly number[];
}

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
  readonly longestCharacters: number;
  /** How many rows have from 2^i to below 2^(i+1) characters. */
  readonly lengths: readonly number[];
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
}

/** Services whose rules for rows are known. */
export const services = ['openai', 'azure', 'huggingface', 'local'] as const;

export type Service = (typeof services)[number];

/**
 * Checks data files as `plan` and `submit` do, but goes on after what is wrong.
 * @throws Failure where a file is not there or may not be read
 */
export async function checkDataset({ services: wanted, onRow, ...sources }: CheckOptions): Promise<DataReport> {
  const failures: Failure[] = [];
  const parts: ReadPart[] = [];
  const badRows = watchBadRows(onRow);
  let warnings: readonly DataWarning[] = [];
  let task = sources.task ?? 'classification';
  try {
    task = sources.task ?? (await findTask(sources.train[0]!, sources.columns));
    const hooks = { badRows, onFailure: (failure: Failure) => failures.push(failure), onPart: (part: ReadPart) => parts.push(part) };
    ({ warnings } = await inspectDataset({ ...sources, task }, hooks));
  } catch (error) {
    if (!isFailure(error, 'data-invalid')) throw error;
    failures.push(error); // the whole file cannot be read
  }
  const hasBadRows = badRows.list().length > 0;
  const findings = [
    ...badRows.list().map(({ failures: alike, places, rows }): Finding => {
      return { ...toFinding(alike[0]!), rows, lines: places.map(({ line }) => line) };
    }),
    // A part without a usable row has its reason above.
    ...failures.filter(({ finding }) => !(hasBadRows && ['rows-missing', 'labels-one'].includes(finding ?? ''))).map(toFinding),
    ...warnings.map(toWarningFinding),
    ...wanted.flatMap((service) => findForService(service, task, parts)),
  ];
  const ranks: readonly Severity[] = ['error', 'warning', 'note'];
  return {
    task,
    parts: parts.map(toPartReport),
    findings: findings.sort((a, b) => ranks.indexOf(a.severity) - ranks.indexOf(b.severity)),
  };
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
async function findTask(path: string, columns: DatasetSources['columns']): Promise<RowTask> {
  for await (const [first] of readRowBatches(path, { onBadRow: () => {}, columns: [] })) {
    const { row } = first!;
    const has = (name: string): boolean => Object.hasOwn(row, columns[name] ?? name);
    if (has('chosen') || Object.hasOwn(row, 'preferred_output')) return 'preference';
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

const warningCodes: Readonly<Record<Exclude<DataWarning['type'], 'reading'>, FindingCode>> = {
  'duplicate-rows': 'rows-twice',
  'texts-in-training': 'rows-leaked',
  'contradictory-labels': 'rows-contradict',
  'similar-labels': 'labels-alike',
  'rare-labels': 'labels-rare',
  'many-labels': 'labels-many',
};

function toWarningFinding(warning: DataWarning): Finding {
  const code = warning.type === 'reading' ? (isCode(warning.code) ? warning.code : 'unexpected') : warningCodes[warning.type];
  const { severity } = findingKinds[code];
  const lines = 'example' in warning && warning.example !== undefined ? [warning.example.line] : [];
  return { severity, code, message: formatWarning(warning), hint: null, rows: 'rows' in warning ? warning.rows : null, lines };
}

/** OpenAI fails a job with fewer rows. */
const fewestRows = 10;

function findForService(service: Service, task: RowTask, parts: readonly ReadPart[]): Finding[] {
  const trained = parts.find(({ tally }) => tally.name === 'train')?.tally;
  const { images = 0, bareImages = 0, weights = 0, objectArguments = 0 } = trained?.traits ?? {};
  const isHosted = service === 'openai' || service === 'azure';
  const add = (code: FindingCode, rows: number, message: string): Finding[] => {
    return rows === 0
      ? []
      : [{ severity: findingKinds[code].severity, code, message: `${service}: ${message}`, hint: null, rows, lines: [] }];
  };
  const rows = trained?.rows ?? 0;
  return [
    ...(isTrainedBy(service, task) ? [] : add('target-task', rows, `does not train the task "${task}"`)),
    ...(isHosted && rows < fewestRows ? add('target-rows', rows, `needs at least ${fewestRows} training rows, and gets ${rows}`) : []),
    ...(isHosted ? add('target-parts', bareImages, 'takes images as "image_url" with an address, not as "image" alone') : []),
    ...(isHosted ? add('target-images', images, 'images are not priced, and not every model takes them in training') : []),
    ...(isHosted ? add('target-arguments', objectArguments, 'arguments of calls are written as JSON text') : []),
    ...(service === 'huggingface'
      ? add('target-weights', weights, 'only the last message of the assistant that counts is learned as the answer')
      : []),
  ];
}

/** Classifiers and regressions are trained on this machine; the services train all but regressions. */
function isTrainedBy(service: Service, task: RowTask): boolean {
  return service === 'local' ? task === 'classification' || task === 'regression' : task !== 'regression';
}

function toPartReport({ tally, files }: ReadPart): PartReport {
  const { name, rows, labels, longestCharacters, lengths } = tally;
  const counts = Object.fromEntries([...labels].map(([label, { rows: count }]) => [label, count]));
  return { name, sources: files.sources, rows, labels: counts, longestCharacters, lengths: Array.from(lengths, (count) => count ?? 0) };
}

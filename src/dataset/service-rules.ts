/** What services ask of rows and files beside what every task does: `data check --for`. */
import { formatBytes } from '../lib/text.ts';
import { createDataFailure, findingKinds, type Finding, type FindingCode } from './findings.ts';
import type { DataFacts } from './inspect.ts';
import type { ReadPart } from './problems.ts';
import type { Mark } from './row-marks.ts';
import type { RowTask } from './row.ts';
import type { RowTrait } from './row-traits.ts';
import type { SourceFacts } from './tally.ts';

/** Services whose rules for rows are known. */
export type Service = 'openai' | 'azure' | 'together' | 'huggingface' | 'local';

interface ServiceRules {
  readonly tasks: readonly RowTask[];
  /** Fewer fail the job. */
  readonly fewestRows?: number;
  /** Of one file. */
  readonly mostBytes?: number;
  /** What its rows may have, and what becomes of it; the code of the finding says how grave that is. */
  readonly traits?: Readonly<Partial<Record<RowTrait, readonly [code: FindingCode, message: string]>>>;
}

const megabyte = 1e6;
const calls = {
  objectArguments: ['target-arguments', 'arguments of calls are written as JSON text'],
  answersWithoutCall: ['target-tools', 'messages of the role "tool" need the "tool_call_id" of the call that they answer'],
} as const;
const pictures = {
  bareImages: ['target-parts', 'takes images as "image_url" with an address, not as "image" alone'],
  images: ['target-images', 'images are not priced, and not every model takes them in training'],
  imagesInPair: ['target-images-pair', 'pairs of answers are trained on text alone'],
} as const;
const generating = ['classification', 'multi-label', 'chat', 'preference'] as const;

const rules: Readonly<Record<Service, ServiceRules>> = {
  openai: {
    tasks: generating,
    fewestRows: 10,
    mostBytes: 512 * megabyte,
    traits: { ...calls, ...pictures, manyImages: ['target-images-many', 'a conversation has at most 10 images'] },
  },
  azure: {
    tasks: generating,
    fewestRows: 10,
    mostBytes: 512 * megabyte,
    traits: { ...calls, ...pictures, tooManyImages: ['target-images-many', 'a conversation has at most 64 images'] },
  },
  together: { tasks: generating, mostBytes: 50_100 * megabyte, traits: calls },
  huggingface: {
    tasks: generating,
    traits: { weights: ['target-weights', 'only the last message of the assistant that counts is learned as the answer'] },
  },
  local: { tasks: ['classification', 'multi-label', 'regression'] },
};

/** What the rules look at. */
export interface ServiceData {
  readonly task: RowTask;
  /** For training. */
  readonly rows: number;
  /** Of all that is sent. */
  readonly sources: readonly SourceFacts[];
  /** Of the training rows. */
  readonly traits: readonly Pick<Mark<RowTrait>, 'code' | 'rows' | 'places'>[];
}

/** The same of parts that were just read. */
export function toServiceData(task: RowTask, parts: readonly ReadPart[]): ServiceData {
  const trained = parts.find(({ tally }) => tally.name === 'train')?.tally;
  const sources = parts.filter(({ tally }) => !tally.name.startsWith('test/')).flatMap(({ files }) => files.sources);
  return { task, rows: trained?.rows ?? 0, sources, traits: trained?.traits.list() ?? [] };
}

/** Rows and files of a plan. @throws Failure `data-invalid` for the first that the service would refuse */
export function checkForService(provider: string, task: RowTask, { train, validation }: Pick<DataFacts, 'train' | 'validation'>): void {
  if (!Object.hasOwn(rules, provider)) return;
  const traits = Object.entries(train.traits ?? {}).map(([code, rows]) => ({ code: code as RowTrait, rows, places: [] }));
  const sources = [...train.sources, ...(validation?.sources ?? [])];
  const findings = findForService(provider as Service, { task, rows: train.rows, sources, traits });
  const refused = findings.find(({ severity, code }) => severity === 'error' && code !== 'target-task'); // a provider knows its tasks itself
  if (refused === undefined) return;
  const of = refused.code.startsWith('target-rows') || refused.rows === null ? '' : ` (${refused.rows} training rows)`;
  throw createDataFailure(refused.code, `${refused.message}${of}`);
}

/** What a service asks and the data does not have. */
export function findForService(service: Service, { task, rows, sources, traits: found }: ServiceData): Finding[] {
  const { tasks, fewestRows = 0, mostBytes = Infinity, traits = {} } = rules[service];
  const add = (code: FindingCode, message: string, of?: Pick<Mark<string>, 'rows' | 'places'>): Finding => ({
    severity: findingKinds[code].severity,
    code,
    message: `${service}: ${message}`,
    hint: null,
    rows: of?.rows ?? null,
    lines: of?.places.map(({ line }) => line) ?? [],
  });
  return [
    ...(tasks.includes(task) || rows === 0 ? [] : [add('target-task', `does not train the task "${task}"`, { rows, places: [] })]),
    ...(rows > 0 && rows < fewestRows
      ? [add('target-rows', `needs at least ${fewestRows} training rows, and gets ${rows}`, { rows, places: [] })]
      : []),
    ...sources
      .filter(({ bytes }) => bytes > mostBytes)
      .map(({ path, bytes }) =>
        add('target-size', `takes files of at most ${formatBytes(mostBytes)}, and gets ${formatBytes(bytes)} in ${path}`),
      ),
    ...found.flatMap((mark) => {
      const [code, message] = traits[mark.code] ?? [];
      return code === undefined ? [] : [add(code, message!, mark)];
    }),
  ];
}

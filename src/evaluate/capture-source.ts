import { checkColumns } from '../dataset/check-values.ts';
import type { Columns, RawRow, TableQuote } from '../dataset/row.ts';
import { parseChatRow, parseClassificationRow, parseTexts } from '../dataset/task-rows.ts';
import { parseMessages, parseTools } from '../dataset/messages.ts';
import { readRows } from '../dataset/read-rows.ts';
import { getExpectedAnswer } from '../dataset/chat.ts';
import { createLabelsParser, formatLabelList } from '../dataset/label-list.ts';
import { Failure, isFailure } from '../errors.ts';
import { readJobFile, type JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { findLabelColumns } from '../lib/label-columns.ts';
import type { GenerationSettings } from '../provider/context.ts';
import { toModelName } from '../provider/model-name.ts';
import { findNewestRuns } from '../run/find-runs.ts';
import { readPresentRuns } from '../run/job-file.ts';
import { inspectJobData } from '../run/plan.ts';
import { toRunId } from '../run/record.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { Workspace } from '../run/workspace.ts';
import {
  defaultConcurrency,
  filterTuned,
  findPredictProblem,
  findServiceModel,
  getDefaultMaxTokens,
  getPromptSettings,
  getTunedClient,
  type ModelClient,
  readsTexts,
  type PromptSettings,
  type ServiceModelName,
} from './models.ts';
import { toInput, toUserMessage, type InputRow, type PredictionInput } from './requests.ts';
import type { SpendLimit } from './spend.ts';

/** Which model's answers are captured, beside its name. */
export interface CaptureModel {
  /** Path of a job file: the name may be one of its references, and it decides how the rows are asked. */
  readonly job?: string | undefined;
  /** A service and a model of it: then any name may be chosen. */
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  /** Settings of the answers where there is no job file. */
  readonly generation?: GenerationSettings | undefined;
}

/** A model with everything that decides its requests, and the budget that pays for its answers. */
export interface CaptureSource {
  /** As a job file can call it. */
  readonly name: string;
  /** The model's name in requests; the run's address where there are none. */
  readonly called: string;
  readonly client: ModelClient;
  /** By our names: how the data calls its columns. */
  readonly columns: Columns;
  /** Of tables. */
  readonly quote?: TableQuote | undefined;
  readonly account: Pick<SpendLimit, 'job' | 'workspace' | 'budgetUsd'>;
}

/**
 * The model of a name: the one that `provider` and `model` give, else a reference of the job file, else the tuned model of a run.
 * @throws Failure `usage`, `run-not-found`, `model-unavailable`, as `findServiceModel`, and of reading the job file and its data
 */
export async function findCaptureSource(workspace: Workspace, name: string, options: CaptureModel): Promise<CaptureSource> {
  const { provider, model, generation } = options;
  const job = options.job === undefined ? null : await readJobFile(options.job);
  if ((provider === undefined) !== (model === undefined)) throw new Failure('usage', 'expected --provider and --model together');
  if (generation !== undefined && (model === undefined || job !== null)) {
    throw new Failure('usage', '--max-tokens and --temperature go with --provider and --model, and not with a job or a run', {
      hint: 'in a job file they are evaluation.generation',
    });
  }
  const reference = job?.spec.references?.[name];
  let source: CaptureSource;
  if (provider !== undefined && model !== undefined) {
    source = await findNamed(workspace, { name, provider, model, job, generation, place: '--provider' });
  } else if (reference === undefined) {
    source = await findTuned(workspace, name, job);
  } else if ('provider' in reference) {
    source = await findNamed(workspace, { name, ...reference, job, generation, place: `references.${name}` });
  } else {
    const kind = 'predictions' in reference ? `a file of answers: ${reference.predictions}` : 'a command';
    throw new Failure('usage', `${job!.path}: expected references.${name} to be a model of a service, found ${kind}`);
  }
  const problem = findPredictProblem(source.client.provider, source.client.model);
  if (problem === null) return source;
  throw new Failure('model-unavailable', `${toModelName(source.client.model)} answers no rows: ${problem}`);
}

interface NamedModel extends ServiceModelName {
  readonly name: string;
  readonly job: JobFile | null;
  readonly generation: GenerationSettings | undefined;
}

async function findNamed(workspace: Workspace, named: NamedModel): Promise<CaptureSource> {
  const { name, model: called, job, generation = {} } = named;
  if (!/^[a-z0-9-]{1,32}$/.test(name)) {
    throw new Failure('usage', `expected a name of 1 to 32 characters of a-z, 0-9 and "-" for the model, found ${JSON.stringify(name)}`);
  }
  const found = findServiceModel(workspace, named);
  if (job === null) {
    const maxTokens = generation.maxTokens ?? getDefaultMaxTokens([]);
    const settings: PromptSettings = {
      task: 'chat',
      prompt: null,
      labels: [],
      generation: { ...generation, maxTokens },
      concurrency: defaultConcurrency,
    };
    const account = { job: `capture:${name}`, workspace: null, budgetUsd: null }; // no job's name has a colon
    return { name, called, client: { ...found, settings }, columns: {}, account };
  }
  const spec = resolveTarget(job.spec, Object.keys(job.spec.targets)[0]!, job.folder); // only what all its targets share is used
  const settings = getPromptSettings({ spec, facts: await inspectJobData(spec, workspace) });
  return { name, called, client: { ...found, settings }, columns: spec.data.columns, quote: spec.data.quote, account: getAccount(spec) };
}

async function findTuned(workspace: Workspace, address: string, job: JobFile | null): Promise<CaptureSource> {
  const runs = await findNewestRuns(workspace.store, address).catch((error: unknown) => {
    throw isFailure(error, 'run-not-found') ? toUnknownFailure(address, job) : error;
  });
  const present = await readPresentRuns(workspace, runs, { address, withTests: false });
  const [run, ...others] = filterTuned(present.runs, address);
  if (others.length > 0) {
    const names = [run, ...others].map(({ record }) => toRunId(record)).join(', ');
    throw new Failure('usage', `expected one model, but "${address}" names several: ${names}`);
  }
  const client = getTunedClient(workspace, run);
  const id = toRunId(run.record);
  const { spec } = run.record.plan;
  return {
    name: id.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 32),
    called: client.model.kind === 'endpoint' ? client.model.name : id,
    client,
    columns: spec.data.columns,
    quote: spec.data.quote,
    account: getAccount(spec),
  };
}

function toUnknownFailure(name: string, job: JobFile | null): Failure {
  const references = Object.keys(job?.spec.references ?? {}).join(', ') || 'none';
  const of = job === null ? 'a job file' : `${job.path} (it has ${references})`;
  return new Failure('run-not-found', `expected a reference of ${of}, or a run such as "job/target", found "${name}"`, {
    hint: 'name the job file with --job, or any model of a service with --provider and --model',
  });
}

function getAccount({ job, workspace, budget }: RunSpec): CaptureSource['account'] {
  return { job, workspace, budgetUsd: budget.usd };
}

/** A row that a model is to answer. */
export interface CaptureRow {
  /** What the request is built from. */
  readonly row: InputRow;
  /** What identifies it in a predictions file. */
  readonly input: PredictionInput;
  /** Null where the data has no answer. */
  readonly expected: string | null;
}

export interface RowSettings {
  readonly task: PromptSettings['task'];
  /** By our names; a column that is not named has ours. */
  readonly columns: Columns;
  /** Of tables. */
  readonly quote?: TableQuote | undefined;
  /** Only the first rows. */
  readonly limit: number;
}

/**
 * The rows of a data file, with or without their labels or answers: texts, and conversations, whose last message is the answer if it is
 * the assistant's.
 * @throws Failure as `readRows` and the parse functions of rows; `data-invalid` for a file without a row
 */
export async function readCaptureRows(path: string, { task, columns, quote, limit }: RowSettings): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  const names = { text: 'text', label: 'label', messages: 'messages', ...columns };
  const parseLabels = createLabelsParser(names, () => {});
  for await (const raw of readRows(path, { quote })) {
    if (rows.length >= limit) break;
    const has = (column: string): boolean => Object.hasOwn(raw.row, column);
    if (!has(names.text) && !has(names.messages)) {
      checkColumns(raw.row, [readsTexts(task) ? names.text : names.messages], `${path}:${raw.line}`);
    }
    rows.push(has(names.messages) ? parseConversation(raw, names, path) : parseText(raw, { names, task, path, parseLabels }));
  }
  if (rows.length === 0) throw new Failure('data-invalid', `expected rows to answer in ${path}, found none`);
  return rows;
}

/** All rows of a data file that a run's model is to answer, by the columns of its job. @throws Failure as `readCaptureRows` */
export async function readRunRows(path: string, { record: { plan } }: StoredRun): Promise<CaptureRow[]> {
  const { columns, quote } = plan.spec.data;
  return await readCaptureRows(path, { task: plan.spec.task, columns, quote, limit: Infinity });
}

type Names = Columns & { readonly text: string; readonly label: string; readonly messages: string };

interface TextFile {
  readonly names: Names;
  readonly task: PromptSettings['task'];
  readonly path: string;
  readonly parseLabels: ReturnType<typeof createLabelsParser>;
}

function parseConversation(raw: RawRow, { messages: column }: Names, path: string): CaptureRow {
  const place = `${path}:${raw.line}`;
  const messages = parseMessages(raw.row[column], `${place}: ${column}`);
  if (messages.at(-1)!.role !== 'assistant') {
    const row = { messages: [...messages, { role: 'assistant' }], ...parseTools(raw.row, place) };
    return { row, input: toInput(row), expected: null };
  }
  const row = parseChatRow(raw, { messages: column }, path);
  return { row, input: toInput(row), expected: getExpectedAnswer(row) };
}

/** A classifier reads the text; for any other model it is a user's message. */
function parseText(raw: RawRow, { names, task, path, parseLabels }: TextFile): CaptureRow {
  if (task === 'multi-label') {
    const place = `${path}:${raw.line}`;
    checkColumns(raw.row, [names.text, names['text2']], place);
    const row = parseTexts(raw.row, { text: names.text, text2: names['text2'] }, place);
    const own = findLabelColumns(names)?.map(({ column }) => column) ?? [names['labels'] ?? 'labels'];
    const isLabelled = own.some((column) => (raw.row[column] ?? null) !== null);
    return { row, input: toInput(row), expected: isLabelled ? formatLabelList(parseLabels(raw, place)) : null };
  }
  const hasLabel = Object.hasOwn(raw.row, names.label) && raw.row[names.label] !== null;
  const { label, ...texts } = parseClassificationRow(raw, hasLabel ? names : { ...names, label: names.text }, path);
  const row: InputRow = readsTexts(task) ? texts : toUserMessage(texts.text);
  return { row, input: toInput(texts), expected: hasLabel ? label : null };
}

import { resolve } from 'node:path';
import { openDataset } from '../dataset/open-dataset.ts';
import { chatVersion, labelListVersion, parseAnswer } from '../dataset/chat.ts';
import { Failure, isFailure } from '../errors.ts';
import { writeAtomic } from '../lib/fs.ts';
import { hashJson } from '../lib/json.ts';
import { readLines } from '../lib/lines.ts';
import type { Workspace } from '../run/workspace.ts';
import { fetchAnswers, readAnswers, type StoredAnswer } from './answers.ts';
import { findCaptureSource, readCaptureRows, type CaptureModel, type CaptureRow, type CaptureSource } from './capture-source.ts';
import { formatPredictionLine } from './predictions-file.ts';
import { buildRequest, type RequestBatch } from './requests.ts';
import { payForAnswers, type PayOptions } from './spend.ts';

export interface CaptureOptions extends PayOptions, CaptureModel {
  /** A data file: rows with or without labels or answers. */
  readonly data: string;
  /** Columns of the data by our names, such as `{text: 'body'}`; they replace those of the job. */
  readonly columns?: Readonly<Record<string, string>> | undefined;
  /** Only the first rows. */
  readonly limit?: number | undefined;
  /** Where the answers are written (.jsonl); absent: a file with the model's name in the current folder. */
  readonly out?: string | undefined;
  /** Is called for each answer. */
  readonly onProgress?: ((progress: CaptureProgress) => void) | undefined;
}

export interface CaptureProgress {
  readonly rows: number;
  /** Rows with an answer. */
  readonly done: number;
  /** Price of these answers in dollars; null where it is not known. */
  readonly usd: number | null;
}

/** What was captured. */
export interface Capture {
  /** As a job file can call the model. */
  readonly name: string;
  /** The model's name in requests; of a model on this machine the run's address. */
  readonly model: string;
  readonly rows: number;
  /** Rows whose answer is null: the service refused them, or its filter did. */
  readonly unanswered: number;
  /** Rows whose answer names none of the labels; null where the task has none. */
  readonly unparseable: number | null;
  /** Rows whose answer was cut at the most tokens. */
  readonly truncated: number;
  /** Rows that were sent just now; the others had an answer already. */
  readonly asked: number;
  /** What all the answers cost, in dollars; null where that is not known. */
  readonly usd: number | null;
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
}

/**
 * Has a model answer the rows of a file, and writes them with their answers to a predictions file. Each answer is stored as it comes, so
 * that the next capture continues after an interruption or a kill; the file is written at the end, as a whole.
 * @throws Failure as `findCaptureSource`, `readCaptureRows`, `payForAnswers` and `fetchAnswers`; `data-invalid` where the file exists and
 *   has lines that are not among these answers
 */
export async function capture(workspace: Workspace, name: string, options: CaptureOptions): Promise<Capture> {
  const { data, columns, limit = Infinity, maxUsd = null, onProgress } = options;
  const source = await findCaptureSource(workspace, name, options);
  const { client, account } = source;
  const { task, labels } = client.settings;
  const path = resolveOutput(options.out ?? `${source.name}.jsonl`);
  const rows = await readCaptureRows(data, { task, columns: { ...source.columns, ...columns }, quote: source.quote, limit });
  const requests = rows.map(({ row }) => buildRequest(client, row));
  const known = await readAnswers(workspace.store, requests);
  const stored = rows.flatMap((row, i) => {
    const answer = known.get(requests[i]!.id);
    return answer === undefined ? [] : [formatLine(source, row, answer)];
  });
  await checkOutput(path, new Set(stored));
  const tally = createTally({ client, requests });
  for (const answer of known.values()) tally.add(answer);
  const before = tally.getProgress().done;
  const batch = { client, requests };
  const answers = await payForAnswers(
    workspace,
    { limit: { ...account, purpose: 'evaluation', maxUsd }, batches: [batch] },
    async (meter) => {
      onProgress?.(tally.getProgress());
      return await fetchAnswers(workspace, batch, {
        ...meter,
        async record(prediction) {
          const answer = { ...(await meter.record(prediction)), at: workspace.context.now().toISOString() };
          tally.add(answer);
          onProgress?.(tally.getProgress());
          return answer;
        },
      });
    },
  );
  const lines = rows.map((row, i) => Buffer.from(formatLine(source, row, answers[i]!)));
  const { sha256 } = await writeAtomic(path, lines, 'predictions file');
  const count = (isCounted: (answer: StoredAnswer) => boolean): number => answers.filter(isCounted).length;
  return {
    name: source.name,
    model: source.called,
    rows: rows.length,
    unanswered: count(({ answer }) => answer === null),
    unparseable: labels.length === 0 ? null : count(({ answer }) => answer !== null && parseAnswer(answer, { task, labels }) === null),
    truncated: count(({ truncated }) => truncated),
    asked: rows.length - before,
    usd: tally.getProgress().usd,
    path,
    sha256,
  };
}

/** @throws Failure `usage` */
function resolveOutput(path: string): string {
  if (/\.jsonl$/i.test(path)) return resolve(path);
  throw new Failure('usage', `expected a file that ends in .jsonl for the answers, found ${path}`);
}

/**
 * Checks that a file which exists already only grows: each of its lines is one of the stored answers. Called before anything is sent.
 * @throws Failure `data-invalid`
 */
async function checkOutput(path: string, stored: ReadonlySet<string>): Promise<void> {
  let number = 0;
  try {
    for await (const lines of readLines(openDataset(path), path)) {
      for (const line of lines) {
        number++;
        if (stored.has(line.toString())) continue;
        throw new Failure('data-invalid', `${path}:${number}: this line would be lost: it is not one of the answers of this capture`, {
          hint: 'name another file with --out, or move this one away; nothing was sent',
        });
      }
    }
  } catch (error) {
    if (!isFailure(error, 'file-missing')) throw error;
  }
}

/** A row with its answer, as the file has it. */
function formatLine({ called, client }: CaptureSource, { input, row, expected }: CaptureRow, stored: StoredAnswer): string {
  const { provider, settings, model } = client;
  const { task, prompt, labels, generation } = settings;
  const version = task === 'multi-label' ? labelListVersion : chatVersion;
  const { temperature, maxTokens, seed, schema } = generation;
  const { answer, probabilities, logProbability = null, truncated, latencyMs = null, tokens = null, at = null } = stored;
  return formatPredictionLine({
    input,
    prediction: { answer, probabilities, logProbability, truncated, latencyMs, tokens },
    expected,
    model: called,
    asked: {
      provider: provider.id,
      ...('text' in row && model.kind === 'endpoint' && { prompt: hashJson({ chatVersion: version, prompt, labels }) }),
      ...(temperature !== undefined && { temperature }),
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
      ...(seed !== undefined && { seed }),
      ...(schema !== undefined && { schema: hashJson(schema) }),
    },
    at,
  });
}

interface Tally {
  add(answer: StoredAnswer): void;
  getProgress(): CaptureProgress;
}

/** Counts rows by their answers, each of which comes once; equal rows share an answer, which is paid for once. */
function createTally({ client, requests }: RequestBatch): Tally {
  const ifUnpaid = client.provider.inference?.quote === undefined ? 0 : null;
  const rows = Map.groupBy(requests, ({ id }) => id);
  let done = 0;
  let usd: number | null = 0;
  return {
    add({ id, paid }) {
      done += rows.get(id)?.length ?? 0;
      const cost = paid === undefined ? ifUnpaid : paid.usd;
      usd = usd === null || cost === null ? null : usd + cost;
    },
    getProgress: () => ({ rows: requests.length, done, usd }),
  };
}

import { resolve } from 'node:path';
import { parseLabel } from '../dataset/chat.ts';
import { Failure } from '../errors.ts';
import { writeAtomic } from '../lib/fs.ts';
import { answerRows } from './answer-rows.ts';
import type { ModelClient } from './prompt-settings.ts';
import { checkContinued, toCaptureText } from './capture-lines.ts';
import { findCaptured, type CaptureModel, type CaptureWorkspace } from './capture-model.ts';
import { readCaptureRows } from './capture-rows.ts';
import type { PayOptions } from './evaluation.ts';
import { payForAnswers } from './pay-for-answers.ts';
import { readAnswers, type StoredAnswer } from './stored-answers.ts';
import { toQuestion } from './to-question.ts';

export interface CaptureOptions extends PayOptions, CaptureModel {
  /** A data file: rows with or without labels or answers. */
  readonly data: string;
  /** Columns of the data by our names, such as `{text: 'body'}`; over those of the job. */
  readonly columns?: Readonly<Record<string, string>> | undefined;
  /** Only the first rows. */
  readonly limit?: number | undefined;
  /** Where the answers are written (.jsonl); the model's name in the current folder when absent. */
  readonly out?: string | undefined;
  /** Hears of each answer. */
  readonly onProgress?: ((progress: CaptureProgress) => void) | undefined;
}

export interface CaptureProgress {
  readonly rows: number;
  /** Rows whose answer is there. */
  readonly done: number;
  /** Of the answers that are there, in dollars; null where that is not known. */
  readonly usd: number | null;
}

/** What was captured. */
export interface Capture {
  /** As a job file can call the model. */
  readonly name: string;
  /** What requests call the model; of one on this machine the run's address. */
  readonly model: string;
  readonly rows: number;
  /** Rows whose answer is null: the service refused them, or its filter did. */
  readonly unanswered: number;
  /** Rows whose answer names none of the labels; null where the task has none. */
  readonly unparseable: number | null;
  /** Rows whose answer was cut at the most tokens. */
  readonly truncated: number;
  /** Rows that were asked just now; the other ones had their answer already. */
  readonly asked: number;
  /** What all the answers have cost, in dollars; null where that is not known. */
  readonly usd: number | null;
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
}

/**
 * Has a model answer the rows of a file, and writes them with their answers to a predictions file. Each answer is kept as it comes, so
 * that one who is interrupted, or killed, goes on where the last one was; the file is whole or not there.
 * @throws Failure as `findCaptured`, `readCaptureRows`, `payForAnswers` and `answerRows`; `data-invalid` where the file is there and
 *   holds something else than these answers
 */
export async function capture(workspace: CaptureWorkspace, name: string, options: CaptureOptions): Promise<Capture> {
  const { data, columns, limit = Infinity, maxUsd = null, onProgress } = options;
  const captured = await findCaptured(workspace, name, options);
  const { client, account } = captured;
  const path = toOutput(options.out ?? `${captured.name}.jsonl`);
  const rows = await readCaptureRows(data, { task: client.settings.task, columns: { ...captured.columns, ...columns }, limit });
  const questions = rows.map(({ asked }) => toQuestion(client, asked));
  const ids = questions.map(({ id }) => id);
  const known = await readAnswers(workspace.store, ids);
  const kept = rows.flatMap((row, i) => {
    const answer = known.get(ids[i]!);
    return answer === undefined ? [] : [toCaptureText(captured, row, answer)];
  });
  await checkContinued(path, new Set(kept));
  const tally = createTally(ids, client);
  for (const answer of known.values()) tally.add(answer);
  const before = tally.progress().done;
  const spendLimit = { ...account, purpose: 'evaluation', maxUsd } as const;
  const answers = await payForAnswers(workspace, { limit: spendLimit, asks: [{ client, questions }] }, async (meter) => {
    onProgress?.(tally.progress());
    return await answerRows(workspace, client, {
      questions,
      meter: {
        ...meter,
        async record(prediction) {
          const answer = { ...(await meter.record(prediction)), at: workspace.context.now().toISOString() };
          tally.add(answer);
          onProgress?.(tally.progress());
          return answer;
        },
      },
    });
  });
  const lines = rows.map((row, i) => Buffer.from(toCaptureText(captured, row, answers[i]!)));
  const { sha256 } = await writeAtomic(path, lines, 'predictions file');
  const { labels } = client.settings;
  return {
    name: captured.name,
    model: captured.called,
    rows: rows.length,
    unanswered: count(answers, ({ answer }) => answer === null),
    unparseable: labels.length === 0 ? null : count(answers, ({ answer }) => answer !== null && parseLabel(answer, labels) === null),
    truncated: count(answers, ({ truncated }) => truncated),
    asked: rows.length - before,
    usd: tally.progress().usd,
    path,
    sha256,
  };
}

function count<T>(items: readonly T[], is: (item: T) => boolean): number {
  return items.filter(is).length;
}

/** @throws Failure `usage` */
function toOutput(path: string): string {
  if (/\.jsonl$/i.test(path)) return resolve(path);
  throw new Failure('usage', `expected a file that ends in .jsonl for the answers, found ${path}`);
}

interface Tally {
  add(answer: StoredAnswer): void;
  progress(): CaptureProgress;
}

/** Counts rows by their answers, each of which comes once; equal rows have one, which is paid for once. */
function createTally(ids: readonly string[], { provider }: ModelClient): Tally {
  const ifUnpaid = provider.inference?.quote === undefined ? 0 : null;
  const rows = new Map<string, number>();
  for (const id of ids) rows.set(id, (rows.get(id) ?? 0) + 1);
  let done = 0;
  let usd: number | null = 0;
  return {
    add({ id, paid }) {
      done += rows.get(id) ?? 0;
      const cost = paid === undefined ? ifUnpaid : paid.usd;
      usd = usd === null || cost === null ? null : usd + cost;
    },
    progress: () => ({ rows: ids.length, done, usd }),
  };
}

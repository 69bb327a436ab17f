import type { Context } from '../contract/context.ts';
import type { Provider, Quote } from '../contract/provider.ts';
import type { ClassificationRow } from '../dataset/row.ts';
import { Failure } from '../failure.ts';
import { findNewestRuns, isJobFile } from '../run/find-runs.ts';
import { readPart } from '../run/read-part.ts';
import type { StoredRun } from '../run/run-store.ts';
import { readJobFile } from '../spec/read-job-file.ts';
import type { Store } from '../store/open-store.ts';
import { answerTexts, type TextAnswer } from './answer-texts.ts';
import { compareRuns, estimateRuns, evaluateRuns } from './compare-runs.ts';
import type { Comparison } from './compare.ts';
import type { Bill } from './pay-for-answers.ts';

export interface PayOptions {
  /** The most that the answers may cost, in dollars; the job's budget holds beside it. */
  readonly maxUsd?: number | undefined;
}

export interface EvaluateOptions extends PayOptions {
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/** Models that answer rows, by the address of their runs. */
export interface Evaluation {
  evaluate(address: string, options?: EvaluateOptions): Promise<Comparison[]>;
  compare(address: string): Promise<Comparison[]>;
  estimate(address: string, options?: Pick<EvaluateOptions, 'limit'>): Promise<Quote | null>;
  predict(address: string, rows: readonly Omit<ClassificationRow, 'label'>[], options?: PayOptions): Promise<TextAnswer[]>;
}

interface World {
  readonly store: Store;
  /** The state folder. */
  readonly dir: string;
  readonly context: Context;
  provider(id: string, target: string): Provider;
}

export function createEvaluation({ store, dir, context, provider }: World): Evaluation {
  const world = { store, context, provider, readPart: readPart.bind(null, dir) };
  return {
    async evaluate(address, { limit, maxUsd } = {}) {
      const runs = await findNewestRuns(store, address);
      return await evaluateRuns(world, { runs, limit }, await toBill(address, runs[0]!, { purpose: 'evaluation', maxUsd }));
    },
    compare: async (address) => await compareRuns(world, await findNewestRuns(store, address)),
    estimate: async (address, { limit } = {}) => await estimateRuns(world, { runs: await findNewestRuns(store, address), limit }),
    async predict(address, rows, { maxUsd } = {}) {
      const run = (await findNewestRuns(store, address)).find(({ record }) => record.artifacts.length > 0);
      if (run === undefined) {
        throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
      }
      return await answerTexts(world, run, { rows, bill: await toBill(address, run, { purpose: 'texts', maxUsd }) });
    },
  };
}

/** The budget is the job file's own where the address is one: it may have been changed since the runs were submitted. */
async function toBill(address: string, { record }: StoredRun, { purpose, maxUsd }: PayOptions & Pick<Bill, 'purpose'>): Promise<Bill> {
  const { job, workspace, budget } = record.plan.spec;
  const budgetUsd = isJobFile(address) ? ((await readJobFile(address)).spec.budget?.usd ?? null) : budget.usd;
  return { job, workspace, purpose, budgetUsd, maxUsd: maxUsd ?? null };
}

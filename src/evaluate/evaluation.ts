import { resolve } from 'node:path';
import type { Context } from '../provider/context.ts';
import type { Provider, Quote } from '../provider/provider.ts';
import type { ClassificationRow } from '../dataset/row.ts';
import { Failure } from '../errors.ts';
import { findNewestRuns, isJobFile } from '../run/find-runs.ts';
import { readPart } from '../run/read-part.ts';
import type { StoredRun } from '../run/run-store.ts';
import { readJobFile } from '../job/read-job-file.ts';
import { resolveReferences } from '../job/resolve.ts';
import type { Store } from '../store/open-store.ts';
import { answerTexts, type TextAnswer } from './answer-texts.ts';
import { compareRuns, estimateRuns, evaluateRuns, type Scope } from './compare-runs.ts';
import type { Comparison } from './compare.ts';
import type { SpendLimit } from './pay-for-answers.ts';

export interface PayOptions {
  /** The most that the answers may cost, in dollars; the job's budget holds beside it. */
  readonly maxUsd?: number | undefined;
}

/** Whom tuned models are held against, and how closely. */
export interface CompareOptions {
  /**
   * A reference of the job, `base`, `majority`, a name of the table, or the path of a predictions file; absent: the job's reference
   * where it has just one, else the best of base and majority.
   */
  readonly reference?: string | undefined;
  /** How much worse still counts as "not worse", from 0 to 1; absent: the job's. */
  readonly margin?: number | undefined;
}

export interface EvaluateOptions extends PayOptions, CompareOptions {
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/** Models that answer rows, by the address of their runs. */
export interface Evaluation {
  evaluate(address: string, options?: EvaluateOptions): Promise<Comparison[]>;
  compare(address: string, options?: CompareOptions): Promise<Comparison[]>;
  estimate(address: string, options?: Pick<EvaluateOptions, 'limit'>): Promise<Quote | null>;
  predict(address: string, rows: readonly Omit<ClassificationRow, 'label'>[], options?: PayOptions): Promise<TextAnswer[]>;
}

interface Workspace {
  readonly store: Store;
  /** The state folder. */
  readonly dir: string;
  readonly context: Context;
  provider(id: string, target: string): Provider;
}

export function createEvaluation({ store, dir, context, provider }: Workspace): Evaluation {
  const workspace = { store, dir, context, provider, readPart: readPart.bind(null, dir) };
  const toScope = async (address: string, { reference: wanted, margin }: CompareOptions): Promise<Scope> => {
    if (margin !== undefined && !(margin >= 0 && margin <= 1)) {
      throw new Failure('usage', `expected a margin from 0 to 1, found ${margin}`);
    }
    const runs = await findNewestRuns(store, address);
    const own = await findReferenceSpecs(address, runs[0]!);
    // Answers that only this comparison looks at.
    const given = wanted !== undefined && isPredictionsPath(wanted) ? { [wanted]: { predictions: resolve(wanted) } } : {};
    return { address, runs, references: { ...own, ...given }, wanted, margin };
  };
  return {
    async evaluate(address, { limit, maxUsd, ...options } = {}) {
      const { runs, ...scope } = await toScope(address, options);
      return await evaluateRuns(
        workspace,
        { ...scope, runs, limit },
        await readSpendLimit(address, runs[0]!, { purpose: 'evaluation', maxUsd }),
      );
    },
    compare: async (address, options = {}) => await compareRuns(workspace, await toScope(address, options)),
    estimate: async (address, { limit } = {}) => await estimateRuns(workspace, { ...(await toScope(address, {})), limit }),
    async predict(address, rows, { maxUsd } = {}) {
      const run = (await findNewestRuns(store, address)).find(({ record }) => record.artifacts.length > 0);
      if (run === undefined) {
        throw new Failure('run-not-found', `"${address}" has no tuned model yet`, { hint: `\`orchestrate wait ${address}\` waits for it` });
      }
      return await answerTexts(workspace, run, { rows, limit: await readSpendLimit(address, run, { purpose: 'texts', maxUsd }) });
    },
  };
}

/** The budget is the job file's own where the address is one: it may have been changed since the runs were submitted. */
async function readSpendLimit(
  address: string,
  { record }: StoredRun,
  { purpose, maxUsd }: PayOptions & Pick<SpendLimit, 'purpose'>,
): Promise<SpendLimit> {
  const { job, workspace, budget } = record.plan.spec;
  const budgetUsd = isJobFile(address) ? ((await readJobFile(address)).spec.budget?.usd ?? null) : budget.usd;
  return { job, workspace, purpose, budgetUsd, maxUsd: maxUsd ?? null };
}

/** As with the budget: what was written into the job file later counts where the file is named. */
async function findReferenceSpecs(address: string, { record }: StoredRun): Promise<Scope['references']> {
  if (!isJobFile(address)) return record.plan.spec.references ?? {};
  const { spec, folder } = await readJobFile(address);
  return resolveReferences(spec, folder);
}

function isPredictionsPath(reference: string): boolean {
  return reference.includes('/') || reference.endsWith('.jsonl');
}

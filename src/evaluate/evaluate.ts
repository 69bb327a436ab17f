import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAnswer } from '../dataset/chat.ts';
import { readLabelList } from '../dataset/label-list.ts';
import { Failure, isFailure } from '../errors.ts';
import { toModelName } from '../provider/model-name.ts';
import type { Prediction } from '../provider/prediction.ts';
import type { Quote } from '../provider/provider.ts';
import type { PresentRuns } from '../run/job-file.ts';
import type { Workspace } from '../run/workspace.ts';
import { fetchAnswers, type SpendMeter } from './answers.ts';
import type { ModelSource } from './candidates.ts';
import { runCommand } from './command.ts';
import type { Comparison } from './comparison.ts';
import { findEvaluationSets, type EvaluationSet, type Scope } from './evaluation-set.ts';
import { filterTuned, findPredictProblem, getTunedClient, readsTexts } from './models.ts';
import { buildRequest, toUserMessage, type InputRow, type RequestBatch } from './requests.ts';
import { scoreSet, type ModelProblems } from './score.ts';
import { getSpendLimit, payForAnswers, quoteUnanswered, type PayOptions } from './spend.ts';

/** What tuned models are compared with, and how closely. */
export interface CompareOptions {
  /**
   * A reference of the job, `base`, `majority`, a name of the table, or the path of a predictions file; absent: the job's reference
   * where it has just one, else the better of base and majority.
   */
  readonly reference?: string | undefined;
  /** How much worse still counts as "not worse", from 0 to 1; absent: the job's. */
  readonly margin?: number | undefined;
}

export interface EvaluateOptions extends PayOptions, CompareOptions {
  /** Only the first rows of each held-out set. */
  readonly limit?: number | undefined;
}

/**
 * Has the models of the finished runs, before and after training, and the references answer the held-out rows, and compares them: one
 * comparison a set.
 * @throws Failure as `findEvaluationSets`, `payForAnswers`, `runCommand`, `fetchAnswers` and `chooseReference`
 */
export async function evaluate(workspace: Workspace, subject: PresentRuns, options: EvaluateOptions = {}): Promise<Comparison[]> {
  const scope = { ...buildScope(subject, options), isLenient: false };
  const sets = await findEvaluationSets(workspace, scope);
  const batches = sets.flatMap(listModels);
  const limit = getSpendLimit(scope.runs[0]!, { purpose: 'evaluation', maxUsd: options.maxUsd });
  const problems = await payForAnswers(workspace, { limit, batches }, async (meter) => {
    // Commands first: one that fails does so before anything is paid.
    for (const { source } of sets.flatMap(({ candidates }) => candidates)) {
      if (source.type === 'command') await runCommand(workspace, source.command, source);
    }
    return await fetchAllAnswers(workspace, batches, meter);
  });
  return await Promise.all(sets.map(async (set) => await scoreSet(workspace, set, { scope, problems })));
}

/**
 * The same from the stored answers: only models on this machine are run, no service and no command, and nothing that may cost; a model
 * without all of its answers is left out, with a note.
 * @throws Failure as `findEvaluationSets`, `fetchAnswers` and `chooseReference`
 */
export async function compare(workspace: Workspace, subject: PresentRuns, options: CompareOptions = {}): Promise<Comparison[]> {
  const scope = buildScope(subject, options);
  const sets = await findEvaluationSets(workspace, scope);
  const problems = await fetchAllAnswers(workspace, sets.flatMap(listModels).filter(isPresent));
  return await Promise.all(sets.map(async (set) => await scoreSet(workspace, set, { scope, problems })));
}

/** What `evaluate` will cost, without the commands; null where a price is not known. Sends nothing. */
export async function estimate(
  workspace: Workspace,
  subject: PresentRuns,
  options: Pick<EvaluateOptions, 'limit'> = {},
): Promise<Quote | null> {
  const sets = await findEvaluationSets(workspace, buildScope(subject, options));
  return await quoteUnanswered(workspace, sets.flatMap(listModels));
}

/** A tuned model's answer to a text; `answer` is the model's own text. */
export interface TextAnswer extends Prediction {
  /** The label that the answer is, or names; null where it is none. Absent where the task has no labels, or several a text. */
  readonly label?: string | null;
  /** All labels that the answer names, sorted; null where it names none that the model knows. Absent unless a text may have several. */
  readonly labels?: readonly string[] | null;
}

/** Texts to answer. */
export interface PredictOptions extends PayOptions {
  readonly rows: readonly InputRow[];
}

/**
 * A tuned model's answers to texts, in their order: as a row of the data where the task is classification, else as a user's message. Rows
 * that are conversations stay what they are.
 * @throws Failure `run-not-found`, `model-unavailable`, and as `payForAnswers` and `fetchAnswers`
 */
export async function predict(
  workspace: Workspace,
  { address, runs }: PresentRuns,
  { rows, maxUsd }: PredictOptions,
): Promise<TextAnswer[]> {
  const [run] = filterTuned(runs, address);
  const client = getTunedClient(workspace, run);
  const { model, settings } = client;
  const problem = findPredictProblem(client.provider, model);
  if (problem !== null) {
    throw new Failure('model-unavailable', `${toModelName(model)} answers no texts: ${problem}`, {
      hint: 'run it with another program; `orchestrate status` shows where it is',
    });
  }
  const requests = rows.map((row) => buildRequest(client, readsTexts(settings.task) || 'messages' in row ? row : toUserMessage(row.text)));
  const batch = { client, requests };
  const limit = getSpendLimit(run, { purpose: 'texts', maxUsd });
  const answers = await payForAnswers(workspace, { limit, batches: [batch] }, async (meter) => await fetchAnswers(workspace, batch, meter));
  const { task, labels } = settings;
  if (task === 'multi-label')
    return answers.map((answer) => ({ ...answer, labels: readLabelList(parseAnswer(answer.answer, { task, labels })) }));
  if (task !== 'classification') return answers;
  return answers.map((answer) => ({
    ...answer,
    label: model.kind === 'endpoint' ? parseAnswer(answer.answer, settings) : answer.answer,
  }));
}

function buildScope(
  { address, runs, notes }: PresentRuns,
  { reference: wanted, margin, limit }: CompareOptions & Pick<EvaluateOptions, 'limit'>,
): Scope {
  const isPath = wanted !== undefined && (wanted.includes('/') || wanted.endsWith('.jsonl'));
  const references = { ...runs[0]!.record.plan.spec.references, ...(isPath && { [wanted]: { predictions: resolve(wanted) } }) };
  return { address, runs, notes, references, wanted, margin, limit, isLenient: true };
}

function listModels({ candidates }: EvaluationSet): ModelSource[] {
  return candidates.map(({ source }) => source).filter((source) => source.type === 'model');
}

function isLocal({ client: { provider, model } }: RequestBatch): boolean {
  return model.kind !== 'endpoint' && provider.inference?.quote === undefined;
}

/** Whether a model can answer without a service: one in a repository only once it is downloaded. */
function isPresent(batch: RequestBatch): boolean {
  return isLocal(batch) && (batch.client.model.kind !== 'repository' || existsSync(batch.client.cacheFolder));
}

/**
 * Models on this machine first, two at once: each is a process of its own, and one that fails does so before anything is paid. The result
 * names the models from repositories that cannot run on this machine: they do not stop the others.
 */
async function fetchAllAnswers(workspace: Workspace, batches: readonly RequestBatch[], meter?: SpendMeter): Promise<ModelProblems> {
  const problems = new Map<RequestBatch, string>();
  const local = batches.filter(isLocal);
  const pairs = local.flatMap((_, i) => (i % 2 === 0 ? [local.slice(i, i + 2)] : []));
  for (const group of [...pairs, ...batches.filter((batch) => !isLocal(batch)).map((batch) => [batch])]) {
    const results = await Promise.allSettled(group.map(async (batch) => await fetchAnswers(workspace, batch, meter)));
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      const batch = group[i]!;
      if (batch.client.model.kind !== 'repository' || !isFailure(result.reason, 'model-invalid')) throw result.reason;
      problems.set(batch, result.reason.message);
    }
  }
  return problems;
}

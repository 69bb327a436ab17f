import type { ClassificationRow } from '../dataset/row.ts';
import { parseLabel } from '../dataset/to-chat.ts';
import { Failure } from '../errors.ts';
import { toModelName } from '../provider/model-name.ts';
import type { Prediction } from '../provider/prediction.ts';
import { findNewestRuns } from '../run/find-runs.ts';
import { fetchAnswers } from './answers.ts';
import { filterTuned, findPredictProblem, getTunedClient } from './models.ts';
import { buildRequest, toUserMessage } from './requests.ts';
import { payForAnswers, readSpendLimit, type PayOptions } from './spend.ts';
import type { Workspace } from '../run/workspace.ts';

/** A tuned model's answer to a text; `answer` is the model's own text. */
export interface TextAnswer extends Prediction {
  /** The label that the answer is, or names; null where it is none. Absent where the task has no labels. */
  readonly label?: string | null;
}

/** Texts to answer. */
export interface PredictOptions extends PayOptions {
  readonly rows: readonly Omit<ClassificationRow, 'label'>[];
}

/**
 * A tuned model's answers to texts, in their order: as a row of the data where the task is classification, else as a user's message.
 * @throws Failure `run-not-found`, `model-unavailable`, and as `payForAnswers` and `fetchAnswers`
 */
export async function predict(workspace: Workspace, address: string, { rows, maxUsd }: PredictOptions): Promise<TextAnswer[]> {
  const [run] = filterTuned(await findNewestRuns(workspace.store, address), address);
  const client = getTunedClient(workspace, run);
  const { model, settings } = client;
  const problem = findPredictProblem(client.provider, model);
  if (problem !== null) {
    throw new Failure('model-unavailable', `${toModelName(model)} answers no texts: ${problem}`, {
      hint: 'run it with another program; `orchestrate status` shows where it is',
    });
  }
  const isClassification = settings.task === 'classification';
  const requests = rows.map((row) => buildRequest(client, isClassification ? row : toUserMessage(row.text)));
  const batch = { client, requests };
  const limit = await readSpendLimit(address, run, { purpose: 'texts', maxUsd });
  const answers = await payForAnswers(workspace, { limit, batches: [batch] }, async (meter) => await fetchAnswers(workspace, batch, meter));
  if (!isClassification) return answers;
  return answers.map((answer) => ({
    ...answer,
    label: model.kind === 'endpoint' ? parseLabel(answer.answer, settings.labels) : answer.answer,
  }));
}

import type { Prediction } from '../provider/prediction.ts';
import { parseLabel } from '../dataset/chat.ts';
import type { ClassificationRow } from '../dataset/row.ts';
import { toModelName } from '../provider/model-name.ts';
import { Failure } from '../errors.ts';
import type { StoredRun } from '../run/run-store.ts';
import { answerRows } from './answer-rows.ts';
import { getPromptSettings } from './prompt-settings.ts';
import { checkDeployed, toTunedModel } from './check-deployed.ts';
import type { EvaluationWorkspace } from './held-out.ts';
import { findPredictProblem, getCacheFolder } from './model-cache.ts';
import { payForAnswers, type SpendLimit } from './pay-for-answers.ts';
import { toQuestion, type AskedRow } from './to-question.ts';

/** A tuned model's answer to a text; `answer` is what the model said. */
export interface TextAnswer extends Prediction {
  /** The label that the answer is, or names; null where it is none. Absent where the task has no labels. */
  readonly label?: string | null;
}

/**
 * A tuned model's answers to texts, in their order: as a row of the data where the task is classification, else as a user's message.
 * @throws Failure as `payForAnswers` and `answerRows`
 */
export async function answerTexts(
  workspace: Pick<EvaluationWorkspace, 'store' | 'dir' | 'context' | 'provider'>,
  run: StoredRun,
  { rows, limit }: { readonly rows: readonly Omit<ClassificationRow, 'label'>[]; readonly limit: SpendLimit },
): Promise<TextAnswer[]> {
  const { plan } = run.record;
  const settings = getPromptSettings(plan);
  const provider = workspace.provider(plan.spec.provider, plan.spec.target);
  const model = toTunedModel(run);
  const mute = findPredictProblem(provider, model);
  if (mute !== null) {
    throw new Failure('model-unavailable', `${toModelName(model)} answers no texts: ${mute}`, {
      hint: 'have another program answer with it; `orchestrate status` tells where it is',
    });
  }
  const client = { provider, model, settings, cache: getCacheFolder(workspace, run.key, 'model') };
  const isClassification = settings.task === 'classification';
  const questions = rows.map((row) => toQuestion(client, isClassification ? row : toChat(row)));
  await checkDeployed(workspace, [run], [{ client, questions }]);
  const predictions = await payForAnswers(
    workspace,
    { limit, asks: [{ client, questions }] },
    async (meter) => await answerRows(workspace, client, { questions, meter }),
  );
  if (!isClassification) return predictions;
  const isGenerated = client.model.kind === 'endpoint';
  return predictions.map((prediction) => {
    const { answer } = prediction;
    return { ...prediction, label: isGenerated ? parseLabel(answer, settings.labels) : answer };
  });
}

function toChat({ text }: Omit<ClassificationRow, 'label'>): AskedRow {
  return { messages: [{ role: 'user', content: text }, { role: 'assistant' }] };
}

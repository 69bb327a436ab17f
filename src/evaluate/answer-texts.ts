import type { Prediction } from '../provider/prediction.ts';
import type { ClassificationRow } from '../dataset/row.ts';
import { toModelName } from '../provider-kit/to-model-name.ts';
import { parseLabel } from '../dataset/to-chat.ts';
import { Failure } from '../errors.ts';
import type { StoredRun } from '../run/run-store.ts';
import { answerRows } from './answer-rows.ts';
import { toAsking } from './prompt-settings.ts';
import { checkDeployed, toTunedModel } from './check-deployed.ts';
import type { EvaluationWorld } from './held-out.ts';
import { findMuteness, toHome } from './model-cache.ts';
import { payForAnswers, type Bill } from './pay-for-answers.ts';
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
  world: Pick<EvaluationWorld, 'store' | 'dir' | 'context' | 'provider'>,
  run: StoredRun,
  { rows, bill }: { readonly rows: readonly Omit<ClassificationRow, 'label'>[]; readonly bill: Bill },
): Promise<TextAnswer[]> {
  const { plan } = run.record;
  const asking = toAsking(plan);
  const provider = world.provider(plan.spec.provider, plan.spec.target);
  const model = toTunedModel(run);
  const mute = findMuteness(provider, model);
  if (mute !== null) {
    throw new Failure('model-unavailable', `${toModelName(model)} answers no texts: ${mute}`, {
      hint: 'have another program answer with it; `orchestrate status` tells where it is',
    });
  }
  const answerer = { provider, model, asking, home: toHome(world, run.key, 'model') };
  const isClassification = asking.task === 'classification';
  const questions = rows.map((row) => toQuestion(answerer, isClassification ? row : toChat(row)));
  await checkDeployed(world, [run], [{ answerer, questions }]);
  const predictions = await payForAnswers(
    world,
    { bill, asks: [{ answerer, questions }] },
    async (till) => await answerRows(world, answerer, { questions, till }),
  );
  if (!isClassification) return predictions;
  const isGenerated = answerer.model.kind === 'endpoint';
  return predictions.map((prediction) => {
    const { answer } = prediction;
    return { ...prediction, label: isGenerated ? parseLabel(answer, asking.labels) : answer };
  });
}

function toChat({ text }: Omit<ClassificationRow, 'label'>): AskedRow {
  return { messages: [{ role: 'user', content: text }, { role: 'assistant' }] };
}

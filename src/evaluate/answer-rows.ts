import type { Context, PredictionContext } from '../provider/context.ts';
import type { Prediction } from '../provider/prediction.ts';
import { toModelName } from '../provider-kit/to-model-name.ts';
import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { Answerer } from './prompt-settings.ts';
import { bringHome } from './model-cache.ts';
import { keepAnswers, readAnswers, type StoredAnswer } from './stored-answers.ts';
import type { Question } from './to-question.ts';

export interface AnswerWorld {
  readonly store: Store;
  readonly context: Context;
}

/** Hears of what is asked and answered, as far as that has to be paid. */
export interface Till {
  /** Before a model is asked. */
  begin(answerer: Answerer): void;
  /** Of each new answer, before it is kept. */
  stamp(prediction: Prediction): Promise<StoredAnswer>;
}

interface Questions {
  readonly questions: readonly Question[];
  readonly till?: Till | undefined;
}

/** Answers of this machine are cheap to give again, and each write waits for the disk; those of a service are kept one by one. */
const folderBatch = 256;

/**
 * A model's answers to questions, in their order. Each is kept as it comes: a question that was answered before is not asked again,
 * and equal ones are asked once.
 * @throws Failure of the provider, and `response-invalid` where it leaves questions without an answer; what was answered is kept
 */
export async function answerRows(world: AnswerWorld, answerer: Answerer, { questions, till }: Questions): Promise<StoredAnswer[]> {
  const ids = questions.map(({ id }) => id);
  const known = await readAnswers(world.store, ids);
  const open = toUnanswered(questions, known);
  if (open.length > 0) await ask(world, answerer, { open, known, till });
  return ids.map((id) => known.get(id)!);
}

interface Open {
  readonly open: readonly Question[];
  readonly known: Map<string, StoredAnswer>;
  readonly till: Till | undefined;
}

async function ask({ store, context }: AnswerWorld, answerer: Answerer, { open, known, till }: Open): Promise<void> {
  const { provider, model, asking } = await toPresent(answerer, context);
  const waiting = new Set(open.map(({ id }) => id));
  const fresh: StoredAnswer[] = [];
  till?.begin(answerer);
  try {
    for await (const prediction of provider.predict!(model, open, toPredictionContext(context, asking))) {
      if (!waiting.delete(prediction.id)) continue; // the first answer to a question is the one
      const answer = (await till?.stamp(prediction)) ?? prediction;
      known.set(answer.id, answer);
      fresh.push(answer);
      if (fresh.length >= (model.kind === 'endpoint' ? 1 : folderBatch)) await keepAnswers(store, fresh.splice(0));
    }
  } finally {
    await keepAnswers(store, fresh);
  }
  context.signal.throwIfAborted();
  if (waiting.size === 0) return;
  throw new Failure('response-invalid', `${toModelName(model)}: expected ${open.length} answers, found ${open.length - waiting.size}`, {
    hint: 'run the command again: what was answered is kept and not asked again',
  });
}

/** A model in a repository answers from a folder of this machine. */
async function toPresent(answerer: Answerer, context: Context): Promise<Answerer> {
  const { model, home, provider } = answerer;
  if (model.kind !== 'repository' || home === undefined) return answerer;
  return { ...answerer, provider: home.provider, model: await bringHome({ provider, model, home }, context) };
}

/** The questions without an answer, each once. */
export function toUnanswered(questions: readonly Question[], known: ReadonlyMap<string, unknown>): Question[] {
  const seen = new Set<string>();
  return questions.filter(({ id }) => {
    if (known.has(id) || seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

export function toPredictionContext(context: Context, { generation, concurrency }: Answerer['asking']): PredictionContext {
  return { ...context, generation, concurrency };
}

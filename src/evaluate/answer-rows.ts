import type { Context, PredictionContext } from '../provider/context.ts';
import type { Prediction } from '../provider/prediction.ts';
import { toModelName } from '../provider/model-name.ts';
import { Failure } from '../errors.ts';
import type { Store } from '../store/open-store.ts';
import type { ModelClient } from './prompt-settings.ts';
import { downloadModel } from './model-cache.ts';
import { keepAnswers, readAnswers, type StoredAnswer } from './stored-answers.ts';
import type { PredictRequest } from './to-question.ts';

export interface AnswerWorkspace {
  readonly store: Store;
  readonly context: Context;
}

/** Hears of what is asked and answered, as far as that has to be paid. */
export interface SpendMeter {
  /** Before a model is asked. */
  begin(client: ModelClient): void;
  /** Of each new answer, before it is kept. */
  record(prediction: Prediction): Promise<StoredAnswer>;
}

interface Questions {
  readonly questions: readonly PredictRequest[];
  readonly meter?: SpendMeter | undefined;
}

/** Answers of this machine are cheap to give again, and each write waits for the disk; those of a service are kept one by one. */
const folderBatch = 256;

/**
 * A model's answers to questions, in their order. Each is kept as it comes: a question that was answered before is not asked again,
 * and equal ones are asked once.
 * @throws Failure of the provider, and `response-invalid` where it leaves questions without an answer; what was answered is kept
 */
export async function answerRows(
  workspace: AnswerWorkspace,
  client: ModelClient,
  { questions, meter }: Questions,
): Promise<StoredAnswer[]> {
  const ids = questions.map(({ id }) => id);
  const known = await readAnswers(workspace.store, ids);
  const open = toUnanswered(questions, known);
  if (open.length > 0) await ask(workspace, client, { open, known, meter });
  return ids.map((id) => known.get(id)!);
}

interface Open {
  readonly open: readonly PredictRequest[];
  readonly known: Map<string, StoredAnswer>;
  readonly meter: SpendMeter | undefined;
}

async function ask({ store, context }: AnswerWorkspace, client: ModelClient, { open, known, meter }: Open): Promise<void> {
  const { provider, model, settings } = await toPresent(client, context);
  const waiting = new Set(open.map(({ id }) => id));
  const fresh: StoredAnswer[] = [];
  meter?.begin(client);
  try {
    for await (const prediction of provider.inference!.predict!(model, open, toPredictionContext(context, settings))) {
      if (!waiting.delete(prediction.id)) continue; // the first answer to a question is the one
      const answer = (await meter?.record(prediction)) ?? prediction;
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
async function toPresent(client: ModelClient, context: Context): Promise<ModelClient> {
  const { model, cache, provider } = client;
  if (model.kind !== 'repository' || cache === undefined) return client;
  return { ...client, provider: cache.provider, model: await downloadModel({ provider, model, cache }, context) };
}

/** The questions without an answer, each once. */
export function toUnanswered(questions: readonly PredictRequest[], known: ReadonlyMap<string, unknown>): PredictRequest[] {
  const seen = new Set<string>();
  return questions.filter(({ id }) => {
    if (known.has(id) || seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

export function toPredictionContext(context: Context, { generation, concurrency }: ModelClient['settings']): PredictionContext {
  return { ...context, generation, concurrency };
}

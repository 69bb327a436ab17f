import type { ChatRow, ClassificationRow } from '../dataset/row.ts';
import { chatVersion, getPrompt, buildQuestion } from '../dataset/chat.ts';
import { hashJson } from '../lib/json.ts';
import type { Context, PredictionContext } from '../provider/context.ts';
import type { PredictionRow, PromptRow, TextRow } from '../provider/prediction.ts';
import type { ModelClient, PromptSettings } from './models.ts';

/** A model and its requests. */
export interface RequestBatch {
  readonly client: ModelClient;
  readonly requests: readonly PredictionRow[];
}

/** A row of the data before a model answers it: a text without its label, or a conversation that may end with an answer. */
export type InputRow = Omit<ClassificationRow, 'label'> | ChatRow;

/** What a model reads of a row: its texts, or its conversation up to the answer. */
export type PredictionInput = Omit<TextRow, 'id'> | Omit<PromptRow, 'id'>;

/** A text as a conversation, for models that read messages. */
export function toUserMessage(text: string): ChatRow {
  return { messages: [{ role: 'user', content: text }, { role: 'assistant' }] };
}

export function toInput(row: InputRow): PredictionInput {
  return 'text' in row ? toTexts(row) : toConversation(row);
}

function toTexts({ text, text2 }: Omit<ClassificationRow, 'label'>): Omit<TextRow, 'id'> {
  return text2 === undefined ? { text } : { text, text2 };
}

function toConversation(row: ChatRow): Omit<PromptRow, 'id'> {
  return row.tools === undefined ? { messages: getPrompt(row) } : { messages: getPrompt(row), tools: row.tools };
}

/**
 * The request for one row: a classifier, which runs on this machine, reads the texts; every other model reads messages. Its identifier is
 * the key under which the answer is stored. It changes with everything that decides the answer (model, text, labels, settings, the way a
 * row becomes messages) and with nothing else.
 */
export function buildRequest({ model, settings }: Pick<ModelClient, 'model' | 'settings'>, row: InputRow): PredictionRow {
  if (model.kind !== 'endpoint' && 'text' in row) {
    const { identity, labels, maxLength } = model;
    const { text, text2 = null } = row;
    return { id: hashJson({ model: identity, labels, maxLength, text, text2 }), ...toTexts(row) };
  }
  const prompt = 'text' in row ? { messages: buildQuestion(row, settings) } : toConversation(row);
  const { temperature = null, maxTokens = null, seed = null, schema } = settings.generation;
  const generation = { temperature, maxTokens, seed, ...(schema !== undefined && { schema }) };
  const place = model.kind === 'endpoint' ? model.location : null;
  return { id: hashJson({ model: model.identity, place, chatVersion, generation, tools: null, ...prompt }), ...prompt };
}

/** @param context with the hooks of a SpendMeter, where answers are paid for */
export function toPredictionContext(context: Context, { generation, concurrency }: PromptSettings): PredictionContext {
  return { ...context, generation, concurrency };
}

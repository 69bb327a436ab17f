import type { PredictionRow, PromptRow } from '../provider/prediction.ts';
import { buildPromptMessages, chatVersion, getPrompt } from '../dataset/chat.ts';
import type { ChatRow, ClassificationRow } from '../dataset/row.ts';
import type { ModelClient } from './prompt-settings.ts';
import { hashJson } from '../lib/json.ts';

/** A row without what is asked of it. */
export type AskedRow = Omit<ClassificationRow, 'label'> | ChatRow;

/** What a model reads of one row. The row's identifier is the key that its answer is kept under. */
export type PredictRequest = PredictionRow;

/**
 * What a model reads of a row: a classifier, which answers on this machine, its texts; every other model messages. The key changes
 * with all that decides the answer (model, text, labels, settings, the way a row becomes messages) and with nothing else.
 */
export function toQuestion({ model, settings }: Omit<ModelClient, 'provider'>, row: AskedRow): PredictRequest {
  if (model.kind !== 'endpoint' && 'text' in row) {
    const { text, text2 } = row;
    const { identity, labels, maxLength } = model;
    const id = hashJson({ model: identity, labels, maxLength, text, text2: text2 ?? null });
    return text2 === undefined ? { id, text } : { id, text, text2 };
  }
  const prompt = 'text' in row ? { messages: buildPromptMessages(row, settings.prompt, settings.labels) } : toChat(row);
  const { temperature, maxTokens, seed } = settings.generation;
  const generation = { temperature: temperature ?? null, maxTokens: maxTokens ?? null, seed: seed ?? null };
  const place = model.kind === 'endpoint' ? model.location : null;
  return { id: hashJson({ model: model.identity, place, chatVersion, generation, tools: null, ...prompt }), ...prompt };
}

function toChat(row: ChatRow): Pick<PromptRow, 'messages' | 'tools'> {
  return row.tools === undefined ? { messages: getPrompt(row) } : { messages: getPrompt(row), tools: row.tools };
}

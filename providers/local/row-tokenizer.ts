import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../../src/dataset/row.ts';
import type { RowContext, RowTokenizer, RowTokens } from '../../src/dataset/token-counts.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { readJsonObject } from '../../src/lib/json.ts';
import { readTokenizerFiles } from '../../src/trainer/model-folder.ts';
import type { Context } from '../../src/provider/context.ts';
import type { ChatTrainRow } from '../../src/trainer/protocol.ts';
import { readTokenizer, type Tokenizer } from '../../src/trainer/tokenizer.ts';
import { readLocalTemplate, toChatTrainRow, toPreferenceTrainRow, type LocalChatTemplate } from './chat-template.ts';
import { fetchTokenizer } from './hub-tokenizer.ts';

const maxBytes = 64e6;
const longest = Number.MAX_SAFE_INTEGER;

/** Counts tokens with the tokenizer of a Hugging Face folder or of the Hub, and its chat template; null for other models. */
export async function loadRowTokenizer(model: ModelName, context: Context): Promise<RowTokenizer | null> {
  if (model.kind === 'service') return null;
  const folder = model.kind === 'folder' ? model.path : await fetchTokenizer(model, context);
  const { config } = readTokenizerFiles(folder);
  const tokenizer = readTokenizer(folder);
  const special = tokenizer.encode('', undefined, longest).ids.length;
  /** Of a text as it is: a chat template writes the special tokens itself. */
  const count = (text: string): number => (text === '' ? 0 : tokenizer.encode(text, undefined, longest).ids.length - special);
  const limit = readLimit(folder, config);
  const { template, note } = readLocalTemplate(folder);
  return {
    name: folder,
    limit,
    getNote: (task) => (task === 'chat' || task === 'preference' ? note : null),
    countText: count,
    count: (row, context) =>
      'text' in row
        ? { all: tokenizer.encode(row.text, row.text2, longest).ids.length, learned: null, learnedWithin: null }
        : countChat(row, { template, tokenizer, limit, context }),
  };
}

interface ChatCounting {
  readonly template: LocalChatTemplate;
  readonly tokenizer: Tokenizer;
  readonly limit: number | null;
  readonly context: RowContext;
}

function countChat(row: Exclude<Row, { text: unknown }>, { template, tokenizer, limit, context }: ChatCounting): RowTokens {
  const count = (text: ChatTrainRow): { readonly all: number; readonly learned: number; readonly within: number } => {
    const { learned } = tokenizer.encodeSpans(text, longest);
    const countLearned = (tokens: readonly boolean[]): number => tokens.filter((isLearned) => isLearned).length;
    return { all: learned.length, learned: countLearned(learned), within: countLearned(learned.slice(0, limit ?? undefined)) };
  };
  if ('messages' in row) {
    const { all, learned, within } = count(toChatTrainRow(template, row, context));
    return { all, learned, learnedWithin: within };
  }
  const { chosen, rejected } = toPreferenceTrainRow(template, row);
  const [better, worse] = [count(chosen), count(rejected)];
  return {
    all: better.all + worse.all,
    learned: better.learned + worse.learned,
    learnedWithin: Math.min(better.within, worse.within),
  };
}

/** `model_max_length`, which is a huge number where nobody knows it; else as many as the model has positions. */
export function readLimit(folder: string, { model_max_length: given }: Readonly<Record<string, unknown>>): number | null {
  return typeof given === 'number' && given > 0 && given < 1e8 ? given : readPositions(folder);
}

/** As many positions as the model has; null where its configuration does not say it. */
export function readPositions(folder: string): number | null {
  const path = join(folder, 'config.json');
  if (!existsSync(path)) return null;
  const { max_position_embeddings: positions } = readJsonObject(path, 'model configuration', maxBytes);
  return typeof positions === 'number' && positions > 0 ? positions : null;
}

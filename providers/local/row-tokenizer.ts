import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { maskChat, type MaskedChat } from '../../src/dataset/chat-mask.ts';
import { parseChatTemplate, type ChatTemplate } from '../../src/dataset/chat-template.ts';
import type { ChatMessage, Row } from '../../src/dataset/row.ts';
import type { RowContext, RowTokenizer, RowTokens } from '../../src/dataset/token-counts.ts';
import { Failure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { readBoundedFile } from '../../src/lib/fs.ts';
import { isObject, readJsonObject } from '../../src/lib/json.ts';
import { readTokenizerFiles } from '../../src/trainer/model-folder.ts';
import type { Context } from '../../src/provider/context.ts';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';
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
  const found = readTemplate(folder, config);
  const template = found ?? chatml;
  return {
    name: folder,
    limit,
    getNote: (task) =>
      found === null && (task === 'chat' || task === 'preference')
        ? 'the folder has no chat template: conversations are counted as ChatML writes them'
        : null,
    countText: count,
    count: (row, context) =>
      'text' in row
        ? { all: tokenizer.encode(row.text, row.text2, longest).ids.length, learned: null, learnedWithin: null }
        : countChat(row, { template, count, limit, context }),
  };
}

/** What most open models use that have no template of their own. */
export const chatml = parseChatTemplate(
  {
    template:
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    specialTokens: {},
    path: 'ChatML',
  },
  () => new Date(),
);

interface ChatCounting {
  readonly template: ChatTemplate;
  readonly count: (text: string) => number;
  readonly limit: number | null;
  readonly context: RowContext;
}

function countChat(row: Exclude<Row, { text: unknown }>, counting: ChatCounting): RowTokens {
  const { template, context } = counting;
  const { tools } = row;
  if ('messages' in row) return countMasked(maskChat(template, { messages: row.messages, tools }, context.answers), counting);
  const prompt = row.prompt.map((message): ChatMessage => ({ ...message, weight: 0 }));
  const [better, worse] = [row.chosen, row.rejected].map((end) =>
    countMasked(maskChat(template, { messages: [...prompt, ...end], tools }), counting),
  );
  return {
    all: better!.all + worse!.all,
    learned: better!.learned! + worse!.learned!,
    learnedWithin: Math.min(better!.learnedWithin!, worse!.learnedWithin!),
  };
}

/** The pieces between the ends of what is learned are counted by themselves: templates put a special token there. */
function countMasked({ text, learned: spans }: MaskedChat, { count, limit }: ChatCounting): RowTokens {
  let at = 0;
  let before = 0;
  let learned = 0;
  let within = 0;
  for (const [start, end] of spans) {
    before += count(text.slice(at, start));
    const own = count(text.slice(start, end));
    learned += own;
    within += Math.min(own, Math.max(0, (limit ?? Infinity) - before));
    before += own;
    at = end;
  }
  return { all: before + count(text.slice(at)), learned, learnedWithin: within };
}

/** `model_max_length`, which is a huge number where nobody knows it; else as many as the model has positions. */
export function readLimit(folder: string, { model_max_length: given }: Readonly<Record<string, unknown>>): number | null {
  if (typeof given === 'number' && given > 0 && given < 1e8) return given;
  const path = join(folder, 'config.json');
  if (!existsSync(path)) return null;
  const { max_position_embeddings: positions } = readJsonObject(path, 'model configuration', maxBytes);
  return typeof positions === 'number' && positions > 0 ? positions : null;
}

/** The template in the places where transformers looks for it. @throws Failure `model-invalid` for one that is not valid */
export function readTemplate(folder: string, config: Readonly<Record<string, unknown>>): ChatTemplate | null {
  const path = join(folder, 'chat_template.jinja');
  const template = existsSync(path)
    ? readBoundedFile(path, 'chat template', maxBytes).toString('utf8')
    : pickTemplate(config['chat_template']);
  if (template === null) return null;
  return parseChatTemplate({ template, specialTokens: listSpecialTokens(config), path: folder }, () => new Date());
}

/** One text, or a list of texts with names. */
function pickTemplate(given: unknown): string | null {
  if (typeof given === 'string') return given;
  if (!Array.isArray(given)) return null;
  const named = (given as unknown[]).find((entry) => isObject(entry) && entry['name'] === 'default');
  const template = isObject(named) ? named['template'] : undefined;
  if (typeof template === 'string') return template;
  throw new Failure('model-invalid', 'chat_template: expected a template with the name "default", found none');
}

/** `bos_token` and its kin, as texts. */
function listSpecialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, token]) => {
      if (!name.endsWith('_token')) return [];
      const text = isObject(token) ? token['content'] : token;
      return typeof text === 'string' ? [[name, text]] : [];
    }),
  );
}

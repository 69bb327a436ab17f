/** How conversations become the text that a model of a folder reads: for training rows, for questions, and for counts of tokens. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LearnedAnswers } from '../../src/dataset/chat-mask.ts';
import { maskChat } from '../../src/dataset/chat-mask.ts';
import { parseChatTemplate, type ChatTemplate } from '../../src/dataset/chat-template.ts';
import type { ChatMessage, ChatRow, PreferenceRow } from '../../src/dataset/row.ts';
import { Failure } from '../../src/errors.ts';
import { readBoundedFile } from '../../src/lib/fs.ts';
import { isObject, readJsonObject } from '../../src/lib/json.ts';
import { readTokenizerFiles, type TokenizerFiles } from '../../src/trainer/model-folder.ts';
import type { ChatTrainRow, PreferenceTrainRow } from '../../src/trainer/protocol.ts';

const maxBytes = 64e6;

export interface LocalChatTemplate extends ChatTemplate {
  /** Whether it is the folder's own, which writes all special tokens: nothing is put in front of its texts. */
  readonly hasBegin: boolean;
}

export interface LocalTemplate {
  readonly template: LocalChatTemplate;
  /** What a person must know about it; null: it is the folder's own. */
  readonly note: string | null;
  /** What stands between the prompt and an answer, and is learned with it: a model writes it first, nobody is to see it. */
  readonly answerLead: string;
}

/**
 * The chat template of a folder; where it has none, ChatML if its tokenizer has the tokens <|im_start|> and <|im_end|>, else plain lines such as
 * `user: …`, of which an answer ends with the token that ends a text of the model.
 * @throws Failure `file-missing`, or `model-invalid` for a template that is not valid
 */
export function readLocalTemplate(folder: string): LocalTemplate {
  const files = readTokenizerFiles(folder);
  const specialTokens = readSpecialTokens(folder, files);
  const parse = (template: string, path: string): LocalChatTemplate => ({
    ...parseChatTemplate({ template, specialTokens, path }, () => new Date()),
    hasBegin: path === folder,
  });
  const own = readOwn(folder, files.config);
  if (own !== null) return { template: parse(own, folder), note: null, answerLead: '' };
  if (chatmlTokens.every((token) => hasToken(files, token))) {
    const note = 'the folder has no chat template: conversations are written as ChatML';
    return { template: parse(chatml, 'ChatML'), note, answerLead: '' };
  }
  const end = specialTokens['eos_token'];
  const ending =
    end === undefined ? 'and answers have no end, since the folder names no eos_token' : `and ${JSON.stringify(end)} ends an answer`;
  return {
    template: parse(plain, 'plain lines'),
    note: `the folder has no chat template: conversations are written as lines such as "user: …", ${ending}`,
    answerLead: ' ',
  };
}

/** Takes what leads an answer from its beginning, which may come in parts. */
export function createLeadCutter(lead: string): (part: string) => string {
  let left = lead;
  return (part) => {
    let same = 0;
    while (same < left.length && part[same] === left[same]) same += 1;
    left = same === part.length ? left.slice(same) : '';
    return part.slice(same);
  };
}

const chatmlTokens = ['<|im_start|>', '<|im_end|>'];

/** The text of a message, behind it the calls of tools that it has, as JSON. An image is refused: leaving it out would be another conversation. */
const content =
  "{% macro write(m) %}{% if m.content is string %}{{ m.content }}{% elif m.content %}{% for part in m.content %}{% if part.type != 'text' %}" +
  "{{ raise_exception('the model has no chat template of its own, which other things than texts need') }}{% endif %}{{ part.text }}{% endfor %}{% endif %}" +
  "{% for call in m.tool_calls or [] %}{% if m.content or not loop.first %}{{ '\\n' }}{% endif %}{{ call.function | tojson }}{% endfor %}{% endmacro %}";

const chatml =
  `${content}{% if tools %}{{ '<|im_start|>tools\\n' + (tools | tojson) + '<|im_end|>\\n' }}{% endif %}` +
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + write(m) + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const plain =
  `${content}{% if tools %}{{ 'tools: ' + (tools | tojson) + '\\n' }}{% endif %}` +
  "{% for m in messages %}{{ m.role + ': ' + write(m) }}{% if m.role == 'assistant' %}{{ eos_token or '' }}{% endif %}" +
  "{% if not loop.last or add_generation_prompt %}{{ '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** What of a conversation is learned: answers, or all of its text. */
export interface Learning {
  readonly answers?: LearnedAnswers;
  readonly loss?: 'answers' | 'all';
}

/** @throws Failure `data-invalid` for a conversation that the template refuses */
export function toChatTrainRow(
  template: LocalChatTemplate,
  { messages, tools }: ChatRow,
  { answers = 'all', loss = 'answers' }: Learning = {},
): ChatTrainRow {
  const { text, learned } = maskChat(template, { messages, tools }, answers);
  return { text, learned: loss === 'all' ? [[0, text.length]] : learned, ...(template.hasBegin && { hasBegin: true }) };
}

/** Both ends with the conversation before them, of which nothing is learned. @throws Failure `data-invalid` as `toChatTrainRow` */
export function toPreferenceTrainRow(template: LocalChatTemplate, { prompt, chosen, rejected, tools }: PreferenceRow): PreferenceTrainRow {
  const before = prompt.map((message): ChatMessage => ({ ...message, weight: 0 }));
  const toRow = (end: readonly ChatMessage[]): ChatTrainRow =>
    toChatTrainRow(template, { messages: [...before, ...end], ...(tools && { tools }) });
  return { chosen: toRow(chosen), rejected: toRow(rejected) };
}

/** The template in the places where transformers looks for it. */
function readOwn(folder: string, config: Readonly<Record<string, unknown>>): string | null {
  const path = join(folder, 'chat_template.jinja');
  return existsSync(path) ? readBoundedFile(path, 'chat template', maxBytes).toString('utf8') : pickTemplate(config['chat_template']);
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

/** `bos_token` and its kin, as texts. Where no file names the token that ends a text, the model's configuration may give its number. */
function readSpecialTokens(folder: string, { config, definition }: TokenizerFiles): Record<string, string> {
  const named = { ...listSpecialTokens(readIfPresent(folder, 'special_tokens_map.json')), ...listSpecialTokens(config) };
  if (named['eos_token'] !== undefined) return named;
  const { eos_token_id: ids } = readIfPresent(folder, 'config.json');
  const [id] = Array.isArray(ids) ? (ids as unknown[]) : [ids];
  const end = listTokens(definition).find(([, number]) => number === id)?.[0];
  return end === undefined ? named : { ...named, eos_token: end };
}

function readIfPresent(folder: string, name: string): Readonly<Record<string, unknown>> {
  const path = join(folder, name);
  return existsSync(path) ? readJsonObject(path, 'model configuration', maxBytes) : {};
}

function listSpecialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, token]) => {
      if (!name.endsWith('_token')) return [];
      const text = isObject(token) ? token['content'] : token;
      return typeof text === 'string' ? [[name, text]] : [];
    }),
  );
}

function hasToken({ definition }: TokenizerFiles, token: string): boolean {
  return listTokens(definition).some(([content]) => content === token);
}

/** Each token with its number. */
function listTokens({ model, added_tokens: added }: TokenizerFiles['definition']): [string, unknown][] {
  const others = Array.isArray(added) ? (added as unknown[]).filter(isObject) : [];
  const own = isObject(model) && isObject(model['vocab']) ? Object.entries(model['vocab']) : [];
  return [...others.map(({ content: text, id }): [string, unknown] => [String(text), id]), ...own];
}

/**
 * A tokenizer as llama.cpp keeps it: `gpt2` merges the bytes of words, `llama` (SentencePiece) the characters of a text whose spaces are
 * "▁", with bytes for characters that are no token.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../errors.ts';
import { readBoundedFile } from '../../lib/fs.ts';
import { isObject, readJsonObject } from '../../lib/json.ts';
import { formatName, formatValue } from '../../lib/text.ts';
import { maxConfigBytes, readTokenizerFiles } from '../model-folder.ts';
import type { Metadata, MetadataValue } from './format.ts';
import { findPreTokenizer, toSteps } from './pre-tokenizer.ts';

type Json = Readonly<Record<string, unknown>>;
type Row = readonly [key: string, value: MetadataValue];

/** llama.cpp's numbers of the kinds of tokens. */
const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The tokens of a tokenizer.json. */
interface Vocabulary {
  readonly path: string;
  readonly ids: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  /** Tokens that are found before anything is merged; whether they are special. */
  readonly added: ReadonlyMap<string, boolean>;
  /** Those of them that take the spaces beside them, or that are no part of a word. */
  readonly bound: readonly string[];
}

export interface GgufTokenizer {
  readonly metadata: Metadata;
  /** What llama.cpp does otherwise, for people; usually nothing. */
  readonly warnings: readonly string[];
}

/**
 * The tokenizer of a folder, for a model that knows `vocabSize` tokens.
 * @throws Failure `file-missing` or `model-invalid` for one that is missing, broken, or that llama.cpp cannot follow
 */
export function readGgufTokenizer(folder: string, vocabSize: number): GgufTokenizer {
  const { path, definition, config } = readTokenizerFiles(folder);
  const vocabulary = parseVocabulary(definition, path, vocabSize);
  const hasBytes = isObject(definition['model']) && definition['model']['byte_fallback'] === true;
  const { rows, warnings } = hasBytes ? toSentencePiece(definition, vocabulary, vocabSize) : toByteLevel(definition, vocabulary);
  const ids = readSpecialIds(folder, { config, vocabulary });
  const template = readTemplate(folder, config);
  const isUnknown = (token: string): boolean => hasBytes && vocabulary.ids.get(token) === ids.get('unknown');
  const tokens = listTokens(vocabulary, { vocabSize, isSentencePiece: hasBytes, isUnknown });
  const ends = listEnds(definition['post_processor'], ids, vocabulary);
  const eot = findEndOfTurn(folder, { template, ids, vocabulary });
  const all: readonly Row[] = [
    ...rows,
    ['tokens', ['strings', tokens.map(({ text }) => text)]],
    ['token_type', ['int32s', tokens.map(({ kind }) => kind)]],
    ...[...ids].map(([name, id]): Row => [`${name}_token_id`, ['uint32', id]]),
    ...(eot === null ? [] : [['eot_token_id', ['uint32', eot]] as const]),
    ['add_bos_token', ['bool', ends.bos]],
    ['add_eos_token', ['bool', ends.eos]],
  ];
  const metadata = all.map(([name, value]): Row => [`tokenizer.ggml.${name}`, value]);
  if (template !== null) metadata.push(['tokenizer.chat_template', ['string', template]]);
  const { bound } = vocabulary;
  const listed = bound.slice(0, 5).map(formatName).join(', ');
  return {
    metadata,
    warnings:
      bound.length === 0
        ? warnings
        : [...warnings, `llama.cpp finds these tokens also within words, and keeps the spaces beside them: ${listed}`],
  };
}

/** @throws Failure `model-invalid` */
function parseVocabulary({ model, added_tokens: added }: Json, path: string, vocabSize: number): Vocabulary {
  const { type, vocab, merges, continuing_subword_prefix: prefix, end_of_word_suffix: suffix } = isObject(model) ? model : {};
  if (type !== 'BPE' || !isObject(vocab) || !Array.isArray(merges) || Boolean(prefix) || Boolean(suffix)) {
    throw new Failure('model-invalid', `${path}: model: expected byte-pair encoding without marks of its own, found ${formatValue(type)}`, {
      hint: 'llama.cpp reads other tokenizers only of models of other families',
    });
  }
  const listed = (Array.isArray(added) ? added : []).filter((one): one is Json => isObject(one) && typeof one['content'] === 'string');
  const ids = new Map(Object.entries(vocab) as [string, number][]);
  for (const { content, id } of listed) ids.set(content as string, id as number);
  const places = [...ids.values()];
  const wrong = places.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined || new Set(places).size < places.length) {
    const found = wrong === undefined ? 'a number twice' : formatValue(wrong);
    throw new Failure(
      'model-invalid',
      `${path}: expected each token with a number below ${vocabSize}, the rows of the model, found ${found}`,
      {
        hint: 'the tokenizer belongs to another model',
      },
    );
  }
  return {
    path,
    ids,
    merges: merges.map((merge: unknown) => parseMerge(merge, path)),
    added: new Map(listed.map(({ content, special }) => [content as string, special === true])),
    bound: listed
      .filter((one) => ['single_word', 'lstrip', 'rstrip'].some((flag) => one[flag] === true))
      .map((one) => one['content'] as string),
  };
}

function parseMerge(merge: unknown, path: string): readonly [string, string] {
  const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string')) return parts as [string, string];
  throw new Failure('model-invalid', `${path}: model.merges: expected pairs of tokens, found ${formatValue(merge)}`);
}

/** As tokenizer.json has it. @throws Failure `model-invalid` */
function toByteLevel(definition: Json, { merges, path }: Vocabulary): { rows: Row[]; warnings: string[] } {
  const normalizers = toSteps(definition['normalizer'], 'normalizers');
  const odd = normalizers.find(({ type }) => type !== 'NFC');
  if (odd) throw refuseStep('normalizer', odd, path);
  return {
    rows: [
      ['model', ['string', 'gpt2']],
      ['pre', ['string', findPreTokenizer(definition, path)]],
      ['merges', ['strings', merges.map((pair) => pair.join(' '))]],
    ],
    warnings:
      normalizers.length > 0
        ? ['llama.cpp reads a letter and its accent as they are written, the tokenizer of the folder as one (NFC)']
        : [],
  };
}

/** Merges become scores: of the neighbours that are a token together, those with the highest score are merged first. */
function toSentencePiece(definition: Json, vocabulary: Vocabulary, vocabSize: number): { rows: Row[]; warnings: string[] } {
  const { ids, merges, path } = vocabulary;
  const normalizers = toSteps(definition['normalizer'], 'normalizers');
  const splitters = toSteps(definition['pre_tokenizer'], 'pretokenizers');
  const isSpaces = ({ type, pattern, content }: Json): boolean =>
    type === 'Replace' && isObject(pattern) && pattern['String'] === ' ' && content === '▁';
  const odd = normalizers.find((step) => step['type'] !== 'Prepend' && !isSpaces(step));
  if (odd) throw refuseStep('normalizer', odd, path);
  const other = splitters.find(({ type, replacement }) => type !== 'Metaspace' || (replacement ?? '▁') !== '▁');
  if (other || !(normalizers.some(isSpaces) || splitters.length > 0)) throw refuseStep('pre_tokenizer', other ?? null, path);
  const hasPrefix =
    normalizers.some(({ type, prepend }) => type === 'Prepend' && prepend === '▁') ||
    splitters.some((step) => (step['prepend_scheme'] ?? (step['add_prefix_space'] === false ? 'never' : 'always')) !== 'never');
  const ranks = new Map<string, number>();
  for (const [rank, pair] of merges.entries()) if (!ranks.has(pair.join(''))) ranks.set(pair.join(''), rank);
  const scores = new Array<number>(vocabSize).fill(-merges.length);
  for (const [token, id] of ids) scores[id] = 0 - (ranks.get(token) ?? merges.length);
  const unlisted = countUnlisted(vocabulary, ranks);
  const warnings: string[] = [];
  if (unlisted > 0) {
    warnings.push(
      `llama.cpp also merges ${unlisted} pairs of tokens that the tokenizer of the folder does not: it may read rare words as other tokens`,
    );
  }
  if (hasPrefix && splitters.length > 0) {
    const where = splitters.some((step) => step['prepend_scheme'] === 'first') ? 'at the beginning of a text, and only ' : '';
    warnings.push(
      `llama.cpp puts a space before a text and after each special token, the tokenizer of the folder only ${where}where there is none`,
    );
  }
  const rows: Row[] = [
    ['model', ['string', 'llama']],
    ['pre', ['string', 'default']],
    ['add_space_prefix', ['bool', hasPrefix]],
    ['scores', ['float32s', scores]],
  ];
  return { rows, warnings };
}

/** SentencePiece merges every pair that makes a token; a tokenizer of another origin may list only one pair for each. */
function countUnlisted({ ids, merges, added }: Vocabulary, ranks: ReadonlyMap<string, number>): number {
  const listed = new Set(merges.map((pair) => pair.join(' ')));
  let count = 0;
  for (const token of ranks.keys()) {
    const characters = Array.from(token);
    for (let i = 1; i < characters.length; i++) {
      const pair = [characters.slice(0, i).join(''), characters.slice(i).join('')];
      if (pair.every((part) => ids.has(part) && !added.has(part)) && !listed.has(pair.join(' '))) count++;
    }
  }
  return count;
}

function refuseStep(field: string, step: unknown, path: string): Failure {
  return new Failure('model-invalid', `${path}: ${field}: llama.cpp cannot do the step ${formatValue(step)}`, {
    hint: 'it would read a text as other tokens than the model was trained on',
  });
}

interface TokenRules {
  readonly vocabSize: number;
  readonly isSentencePiece: boolean;
  readonly isUnknown: (token: string) => boolean;
}

/** Every row of the model has a token; a row that no token uses gets a name that no text contains. */
function listTokens({ ids, added }: Vocabulary, { vocabSize, isSentencePiece, isUnknown }: TokenRules): { text: string; kind: number }[] {
  const tokens = Array.from({ length: vocabSize }, (_, id): { text: string; kind: number } => ({ text: `[PAD${id}]`, kind: kinds.unused }));
  for (const [token, id] of ids) {
    const special = added.get(token);
    if (isUnknown(token)) tokens[id] = { text: token, kind: kinds.unknown };
    else if (special === true || (special === false && looksSpecial(token))) tokens[id] = { text: token, kind: kinds.control };
    else if (special === false) tokens[id] = { text: isSentencePiece ? token.replaceAll('▁', ' ') : token, kind: kinds.userDefined };
    else tokens[id] = { text: token, kind: isSentencePiece && /^<0x[0-9A-F]{2}>$/.test(token) ? kinds.byte : kinds.normal };
  }
  return tokens;
}

/** Marks such as `<|fim_prefix|>` that a tokenizer does not call special: llama.cpp's converter hides them from answers too. */
function looksSpecial(token: string): boolean {
  return /^(<\|.*\|>|<｜.*｜>|<unused.*>|<pad>|<mask>)$/su.test(token);
}

/** The ids of special tokens under llama.cpp's names: as the tokenizer says, else as the model does. */
function readSpecialIds(folder: string, { config, vocabulary }: { config: Json; vocabulary: Vocabulary }): ReadonlyMap<string, number> {
  const model = readJsonObject(join(folder, 'config.json'), 'model configuration', maxConfigBytes);
  const names = { bos: 'bos', eos: 'eos', unk: 'unknown', pad: 'padding' } as const;
  const rows = Object.entries(names).flatMap(([name, ggml]) => {
    const token = config[`${name}_token`];
    const text = isObject(token) ? token['content'] : token;
    const id = typeof text === 'string' ? vocabulary.ids.get(text) : undefined;
    const found: unknown = id ?? toList(model[`${name}_token_id`])[0];
    return isId(found, vocabulary) ? [[ggml, found] as const] : [];
  });
  return new Map(rows);
}

function isId(value: unknown, { ids }: Vocabulary): value is number {
  return typeof value === 'number' && [...ids.values()].includes(value);
}

function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** Whether the tokenizer puts a token before each text, and after it. */
function listEnds(processor: unknown, ids: ReadonlyMap<string, number>, { ids: all }: Vocabulary): { bos: boolean; eos: boolean } {
  const single = toSteps(processor, 'processors').find(({ type }) => type === 'TemplateProcessing')?.['single'];
  const isToken = (step: unknown, name: string): boolean => {
    const token = isObject(step) ? step['SpecialToken'] : undefined;
    return isObject(token) && ids.has(name) && all.get(token['id'] as string) === ids.get(name);
  };
  const steps = Array.isArray(single) ? single : [];
  return { bos: isToken(steps[0], 'bos'), eos: steps.length > 1 && isToken(steps.at(-1), 'eos') };
}

/** The template in the places where transformers looks for it; blocks that mark what is trained on mean nothing here. */
function readTemplate(folder: string, { chat_template: given }: Json): string | null {
  const path = join(folder, 'chat_template.jinja');
  const listed = toList(given).find((one) => isObject(one) && one['name'] === 'default');
  const template = existsSync(path)
    ? readBoundedFile(path, 'chat template', maxConfigBytes).toString('utf8')
    : isObject(listed)
      ? listed['template']
      : given;
  if (typeof template !== 'string') return null;
  return template.replaceAll(/(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})/g, (_, begin: string, end: string | undefined, close: string) => {
    return `${begin}${end === undefined ? 'if true' : 'endif'}${close}`;
  });
}

interface Turns {
  readonly template: string | null;
  readonly ids: ReadonlyMap<string, number>;
  readonly vocabulary: Vocabulary;
}

/** The token that ends an answer: of those at which the model stops, the one that the template writes. */
function findEndOfTurn(folder: string, { template, ids, vocabulary }: Turns): number | null {
  if (template === null) return null;
  const path = join(folder, 'generation_config.json');
  const settings = existsSync(path) ? readJsonObject(path, 'generation settings', maxConfigBytes) : {};
  const eos = ids.get('eos');
  const ends = [eos, ...toList(settings['eos_token_id'])].filter((id) => isId(id, vocabulary));
  const texts = new Map([...vocabulary.ids].map(([token, id]) => [id, token]));
  return ends.find((id) => template.includes(texts.get(id)!)) ?? (template.includes('eos_token') ? (eos ?? null) : null);
}

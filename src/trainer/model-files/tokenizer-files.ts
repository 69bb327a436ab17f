import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../errors.ts';
import { isObject, readJsonObject } from '../../lib/json.ts';
import { formatValue } from '../../lib/text.ts';

/** Files that are copied with a model and counted in its revision, where present. */
export const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt'] as const;

/** Twice the largest tokenizers of today's models. */
const maxBytes = 64 * 2 ** 20;
/** The library tries every part of a text that is as long as the longest token, and keeps tokens in trees of their characters. */
const longestToken = 1000;

/** tokenizer.json and tokenizer_config.json (an empty object where there is none). */
export interface TokenizerFiles {
  /** Of tokenizer.json. */
  readonly path: string;
  readonly definition: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Reads the files of a tokenizer and checks their size. What they mean is left to the library that uses them.
 *
 * @throws Failure `model-invalid` when there is no tokenizer.json, or a file is too large, broken or without tokens
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const path = join(folder, 'tokenizer.json');
  if (!existsSync(path)) {
    throw new Failure('model-invalid', `the model folder has no tokenizer.json: ${folder}`, {
      hint: 'Write one with transformers: AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)',
    });
  }
  const configPath = join(folder, 'tokenizer_config.json');
  const definition = readJsonObject(path, 'tokenizer', maxBytes);
  const config = existsSync(configPath) ? readJsonObject(configPath, 'tokenizer configuration', maxBytes) : {};
  checkTokens(definition, path);
  return { path, definition, config };
}

function checkTokens({ model, added_tokens: added }: Readonly<Record<string, unknown>>, path: string): void {
  const vocabulary = isObject(model) ? model['vocab'] : undefined;
  const isList = Array.isArray(vocabulary); // of tokens with their scores, in a Unigram model
  if (!isList && !isObject(vocabulary)) {
    throw new Failure('model-invalid', `${path}: model.vocab: expected the tokens of the model, found ${formatValue(vocabulary)}`);
  }
  const own = isList
    ? vocabulary.map((entry: unknown) => (Array.isArray(entry) ? (entry as unknown[])[0] : entry))
    : Object.keys(vocabulary);
  const others = Array.isArray(added) ? added.map((token: unknown) => (isObject(token) ? token['content'] : token)) : [];
  for (const token of [...own, ...others]) {
    if (typeof token === 'string' && token.length <= longestToken) continue;
    throw new Failure('model-invalid', `${path}: expected tokens of at most ${longestToken} characters, found ${formatValue(token)}`);
  }
}

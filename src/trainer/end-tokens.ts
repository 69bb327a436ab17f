/** The tokens after which a language model has said all. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, readJsonObject } from '../lib/json.ts';
import { maxConfigBytes } from './model-folder.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Ends of a turn by the names that chat templates give them. A model whose files name only the end of a text ends its answers with them all the same. */
const turnEnds = ['<|im_end|>', '<|eot_id|>', '<|eom_id|>', '<end_of_turn>', '<|end|>', '<|end_of_turn|>'];

/**
 * The numbers of these tokens: those that generation_config.json and config.json name, the `eos_token` of the tokenizer, and ends of a turn
 * that its vocabulary has.
 */
export function readEndTokens(folder: string, tokenizer: Pick<Tokenizer, 'findToken'>): ReadonlySet<number> {
  const [generation, config, tokens, special] = [
    'generation_config.json',
    'config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
  ].map((name) => readIfPresent(join(folder, name)));
  const given = [generation, config].flatMap((json) => json?.['eos_token_id']).filter((id): id is number => typeof id === 'number');
  const named = [tokens, special].flatMap((json) => toText(json?.['eos_token']) ?? []);
  const found = [...named, ...turnEnds].flatMap((token) => tokenizer.findToken(token) ?? []);
  return new Set([...given, ...found]);
}

function toText(token: unknown): string | null {
  const text = isObject(token) ? token['content'] : token;
  return typeof text === 'string' ? text : null;
}

function readIfPresent(path: string): Readonly<Record<string, unknown>> {
  return existsSync(path) ? readJsonObject(path, 'model configuration', 16 * maxConfigBytes) : {};
}

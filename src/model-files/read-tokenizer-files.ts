import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { checkTokenizer } from './check-tokenizer.ts';
import { readJsonObject } from './read-json.ts';

const maxBytes = 64 * 2 ** 20;

/** tokenizer.json and tokenizer_config.json (an empty object where there is none), read and checked. */
export interface TokenizerFiles {
  /** Of tokenizer.json. */
  readonly path: string;
  readonly definition: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** @throws Failure `model-invalid` when there is no tokenizer.json, or one of the files cannot be used */
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
  checkTokenizer(definition, config, { path, configPath });
  return { path, definition, config };
}

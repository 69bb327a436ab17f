/** Small language models for tests. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toNormals, toStreamKey } from '../../../src/lib/random.ts';
import { gpt2 } from '../../../src/trainer/families/gpt2.ts';
import { writeSafetensors } from '../../../src/trainer/safetensors.ts';
import { fixtures, tinyLlama, writeLanguageFolder } from '../gguf/language-folder.ts';

export { fixtures, tinyLlama };

export type LanguageFamily = 'llama' | 'qwen2' | 'qwen3' | 'gpt2';

/** A folder with a model of this family: one that was trained, or random numbers in a folder of `parent`. */
export function createLanguageFolder(family: LanguageFamily, parent: string): string {
  if (family === 'llama') return tinyLlama;
  const folder = join(parent, family);
  if (family === 'gpt2') writeGpt2Folder(folder);
  else writeLanguageFolder(folder, { family, tokenizer: 'qwen2' });
  return folder;
}

function writeGpt2Folder(folder: string): void {
  mkdirSync(folder);
  const source = join(fixtures, 'parity/tokenizers/gpt2/tokenizer.json');
  const sizes = { n_positions: 64, n_embd: 32, n_layer: 2, n_head: 4, eos_token_id: 0 };
  const json = { architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', vocab_size: 600, ...sizes };
  const tensors = gpt2.listParameters(gpt2.parseConfig(json, 'config.json')).map(({ name, shape }) => {
    const shift = /ln_\w+\.weight$/.test(name) ? 1 : 0;
    const size = shape.reduce((product, count) => product * count, 1);
    return { name, shape, data: toNormals(toStreamKey(1, name), size, 0.3).map((value) => value + shift) };
  });
  copyFileSync(source, join(folder, 'tokenizer.json'));
  writeFileSync(join(folder, 'tokenizer_config.json'), '{"tokenizer_class": "PreTrainedTokenizerFast"}');
  writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

interface Forward {
  readonly examples: readonly { readonly prompt: string; readonly completion: string }[];
  readonly batch: Readonly<Record<'input_ids' | 'attention_mask', readonly (readonly number[])[]>>;
  readonly greedy: { readonly prompt_ids: readonly number[]; readonly new_ids: readonly number[] };
}

/** What transformers gave of tiny-llama. */
export function readForward(): Forward {
  return JSON.parse(readFileSync(join(fixtures, 'parity/llama-forward.json'), 'utf8')) as Forward;
}

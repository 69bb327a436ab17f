import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject } from '../../../src/lib/json.ts';
import { toStreamKey, toUniform } from '../../../src/lib/random.ts';
import { llama, qwen2, qwen3 } from '../../../src/trainer/families/llama.ts';
import { writeSafetensors, type TensorToWrite } from '../../../src/trainer/safetensors.ts';

export const fixtures = join(import.meta.dirname, '../../../fixtures');
export const tinyLlama = join(fixtures, 'models/tiny-llama');

export interface LanguageFolder {
  readonly family: 'llama' | 'qwen2' | 'qwen3';
  /** One of fixtures/parity/tokenizers. */
  readonly tokenizer: 'gpt2' | 'qwen2' | 'llama3' | 'metaspace';
  /** Fields of config.json over those of a small model. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig?: Readonly<Record<string, unknown>>;
  /** Other tensors, or the tensors changed. */
  readonly change?: (tensors: TensorToWrite[]) => TensorToWrite[];
}

const small = {
  hidden_act: 'silu',
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  bos_token_id: 483,
  eos_token_id: 482,
};

/** Writes a small random language model, with more rows than its tokenizer has tokens. */
export function writeLanguageFolder(folder: string, { family, tokenizer, config, tokenizerConfig, change }: LanguageFolder): void {
  mkdirSync(folder, { recursive: true });
  const source = join(fixtures, 'parity/tokenizers', tokenizer, 'tokenizer.json');
  const architectures = [{ llama: 'LlamaForCausalLM', qwen2: 'Qwen2ForCausalLM', qwen3: 'Qwen3ForCausalLM' }[family]];
  const json = { architectures, model_type: family, ...small, vocab_size: countTokens(source) + 6, ...config };
  const members = { llama, qwen2, qwen3 };
  const tensors = members[family]
    .listParameters(members[family].parseConfig(json, 'config.json'))
    .map(({ name, shape }) => draw(name, shape));
  copyFileSync(source, join(folder, 'tokenizer.json'));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', ...tokenizerConfig }));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
  writeSafetensors(join(folder, 'model.safetensors'), change?.(tensors) ?? tensors);
}

/** Norms near 1, and every other number small: each counts. */
function draw(name: string, shape: readonly number[]): TensorToWrite {
  const key = toStreamKey(name);
  const scale = name.endsWith('norm.weight') || name.endsWith('bias') ? 0.3 : name.includes('embed') ? 2 : 4 / Math.sqrt(shape[1]!);
  const shift = name.endsWith('norm.weight') ? 1 : 0;
  const length = shape.reduce((product, size) => product * size, 1);
  return { name, shape, data: Float32Array.from({ length }, (_, i) => shift + scale * (toUniform(key, i) - 0.5)) };
}

function countTokens(path: string): number {
  const { model, added_tokens: added } = JSON.parse(readFileSync(path, 'utf8')) as {
    model: { vocab: object };
    added_tokens: { id: number }[];
  };
  return Math.max(isObject(model.vocab) ? Object.keys(model.vocab).length : 0, ...added.map(({ id }) => id + 1));
}

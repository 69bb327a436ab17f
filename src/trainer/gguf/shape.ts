/** The sizes of a language model of the Llama family, as its config.json gives them. */
import { z } from 'zod';
import { Failure } from '../../errors.ts';
import { parseFields } from '../../lib/json.ts';
import { formatValue } from '../../lib/text.ts';

export interface Shape {
  /** `model_type`, which is also llama.cpp's name of the architecture. */
  readonly family: 'llama' | 'qwen2' | 'qwen3';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values: a divisor of `heads`. */
  readonly keyHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly layerNormEpsilon: number;
  /** The base of the angles of rotary positions. */
  readonly theta: number;
  readonly scaling: Scaling | null;
  /** Which maps have a bias. */
  readonly biases: Readonly<Record<'queries' | 'mix' | 'feedForward', boolean>>;
  /** Whether each head's query and key has a norm. */
  readonly hasHeadNorms: boolean;
  /** Whether tokens are predicted with the table that they are looked up in. */
  readonly isTied: boolean;
}

/** How angles are stretched for longer texts: all alike, or low frequencies more (Llama 3). */
type Scaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'llama3'; readonly factor: number; readonly low: number; readonly high: number; readonly positions: number };

const size = z.int('a positive whole number').min(1, 'a positive whole number').max(10_000_000, 'at most ten millions');
const number = z.number('a positive number').positive('a positive number');
const flag = z.boolean('true or false').nullish();
const Rope = z
  .looseObject({
    rope_type: z.string('a name').nullish(),
    type: z.string('a name').nullish(),
    rope_theta: number.nullish(),
    factor: number.nullish(),
    low_freq_factor: number.nullish(),
    high_freq_factor: number.nullish(),
    original_max_position_embeddings: size.nullish(),
  })
  .nullish();

const ConfigJson = z.object({
  hidden_act: z.literal('silu', '"silu"').nullish(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size.nullish(),
  rms_norm_eps: number.nullish(),
  rope_theta: number.nullish(),
  rope_scaling: Rope,
  rope_parameters: Rope,
  attention_bias: flag,
  mlp_bias: flag,
  tie_word_embeddings: flag,
  use_sliding_window: z.literal(false, 'false: llama.cpp has no such layers in this family').nullish(),
});

/** @throws Failure `model-invalid` for another family, a classifier, or a field that is wrong */
export function parseShape(json: Readonly<Record<string, unknown>>, path: string): Shape {
  const { model_type: family, architectures } = json;
  if (family !== 'llama' && family !== 'qwen2' && family !== 'qwen3') throw refuseFamily(family, path);
  const className = Array.isArray(architectures) ? (architectures[0] as unknown) : undefined;
  if (typeof className === 'string' && !className.endsWith('ForCausalLM')) {
    throw new Failure('model-invalid', `${path}: architectures: expected a model that writes text, found ${formatValue(className)}`, {
      hint: 'llama.cpp has no place for a head that classifies; transformers opens the folder as it is',
    });
  }
  const found = parseFields(ConfigJson, json, { source: path, code: 'model-invalid' });
  const { hidden_size: hiddenSize, num_attention_heads: heads } = found;
  const keyHeads = found.num_key_value_heads ?? heads;
  const headSize = found.head_dim ?? (family === 'qwen3' ? 128 : hiddenSize / heads);
  if (!Number.isInteger(headSize / 2) || !Number.isInteger(heads / keyHeads)) {
    throw new Failure(
      'model-invalid',
      `${path}: expected heads of an even size, shared evenly, found ${headSize} numbers, ${heads}/${keyHeads}`,
    );
  }
  const bias = found.attention_bias ?? false;
  return {
    family,
    vocabSize: found.vocab_size,
    hiddenSize,
    layers: found.num_hidden_layers,
    heads,
    keyHeads,
    headSize,
    intermediateSize: found.intermediate_size,
    maxPositions: found.max_position_embeddings ?? 2048,
    layerNormEpsilon: found.rms_norm_eps ?? 1e-6,
    theta: found.rope_parameters?.rope_theta ?? found.rope_theta ?? 10_000,
    scaling: parseScaling(found.rope_parameters ?? found.rope_scaling, path),
    biases: { queries: family === 'qwen2' || bias, mix: family !== 'qwen2' && bias, feedForward: found.mlp_bias ?? false },
    hasHeadNorms: family === 'qwen3',
    isTied: found.tie_word_embeddings ?? false,
  };
}

function refuseFamily(family: unknown, path: string): Failure {
  const hint =
    family === 'gpt2'
      ? 'transformers opens the folder as it is'
      : 'llama.cpp and Ollama run models that write text; transformers opens the folder as it is';
  return new Failure('model-invalid', `${path}: model_type: expected llama, qwen2 or qwen3, found ${formatValue(family)}`, { hint });
}

/** @throws Failure `model-invalid` for a type that llama.cpp computes in another way */
function parseScaling(rope: z.infer<typeof Rope>, path: string): Scaling | null {
  const type = rope?.rope_type ?? rope?.type ?? 'default';
  if (!rope || type === 'default') return null;
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: positions } = rope;
  if (type === 'linear' && factor != null) return { type, factor };
  if (type === 'llama3' && factor != null && low != null && high != null && positions != null)
    return { type, factor, low, high, positions };
  throw new Failure(
    'model-invalid',
    `${path}: rotary positions: expected the type default, linear or llama3 with its fields, found ${formatValue(rope)}`,
  );
}

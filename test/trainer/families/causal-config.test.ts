import { expect, test } from 'vitest';
import { causalFamilies, type CausalConfig } from '../../../src/trainer/families/index.ts';
import { getFrequencies } from '../../../src/trainer/families/llama.ts';
import type { LlamaConfig } from '../../../src/trainer/families/llama-config.ts';

const llamaJson = {
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
};
const gpt2Json = { vocab_size: 100, n_positions: 64, n_embd: 32, n_layer: 2, n_head: 4 };

function parse(family: string, json: object): CausalConfig {
  return causalFamilies[family]!.parseConfig({ ...json }, 'config.json');
}
const parseLlama = (json: object): LlamaConfig => parse('llama', { ...llamaJson, ...json }) as LlamaConfig;

const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

test.each<[object, string]>([
  [{ num_key_value_heads: 3 }, 'num_key_value_heads: expected a divisor of num_attention_heads 4, found 3'],
  [{ num_key_value_heads: 8 }, 'num_key_value_heads: expected a divisor of num_attention_heads 4, found 8'],
  [{ num_key_value_heads: 0 }, 'num_key_value_heads: expected a whole number from 1 to 512, found 0'],
  [{ num_attention_heads: 5, num_key_value_heads: 5 }, 'num_attention_heads: expected heads of an even size, found 5'],
  [{ num_attention_heads: 64, num_key_value_heads: 64 }, 'num_attention_heads: expected heads of an even size, found 64'],
  [{ head_dim: 15 }, 'head_dim: expected heads of an even size, found 15'],
  [{ head_dim: 0 }, 'head_dim: expected a whole number from 2 to 1024, found 0'],
  [{ hidden_act: 'gelu' }, 'hidden_act: expected "silu", found "gelu"'],
  [{ vocab_size: 1.5 }, 'vocab_size: expected a whole number from 1 to 1000000, found 1.5'],
  [{ num_hidden_layers: 1e9 }, 'num_hidden_layers: expected a whole number from 1 to 256'],
  [{ rms_norm_eps: 0 }, 'rms_norm_eps: expected a number from 1e-20 to 1, found 0'],
  [{ use_sliding_window: true }, 'use_sliding_window: expected false, found true'],
  [{ rope_scaling: { type: 'yarn', factor: 2 } }, 'rope_scaling: expected the type "default", "linear" or "llama3"'],
  [{ rope_parameters: { rope_type: 'dynamic', factor: 2 } }, 'rope_parameters: expected the type "default", "linear" or "llama3"'],
  [{ rope_scaling: { type: 'linear' } }, 'rope_scaling: expected the field factor'],
  [{ rope_scaling: { ...llama3, low_freq_factor: undefined } }, 'rope_scaling: expected the field low_freq_factor'],
  [{ rope_scaling: { ...llama3, factor: 'much' } }, 'rope_scaling.factor: expected a number from 0.001 to 1000000, found "much"'],
  [{ eos_token_id: 'end' }, 'eos_token_id: expected a token or a list of tokens, found "end"'],
])('a configuration of the Llama family that cannot be followed is refused with its field: %j', (change, message) => {
  for (const family of ['llama', 'qwen2', 'qwen3']) {
    expect(() => parse(family, { ...llamaJson, ...change })).toThrow(
      expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(`config.json: ${message}`) as string }),
    );
  }
});

test.each<[object, string]>([
  [{ n_head: 5 }, 'n_head: expected a divisor of n_embd 32, found 5'],
  [{ n_embd: 0 }, 'n_embd: expected a whole number from 1 to 65536, found 0'],
  [{ n_positions: undefined }, 'n_positions: expected a whole number from 1 to 10000000, found nothing'],
  [{ activation_function: 'relu' }, 'activation_function: expected "gelu_new", found "relu"'],
  [{ scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx: expected false, found true'],
  [{ scale_attn_weights: false }, 'scale_attn_weights: expected true, found false'],
  [{ tie_word_embeddings: false }, 'tie_word_embeddings: expected true, found false'],
  [{ add_cross_attention: true }, 'add_cross_attention: expected false, found true'],
  [{ resid_pdrop: 1 }, 'resid_pdrop: expected a number from 0 to 0.99, found 1'],
])('a configuration of GPT-2 that cannot be followed is refused with its field: %j', (change, message) => {
  expect(() => parse('gpt2', { ...gpt2Json, ...change })).toThrow(
    expect.objectContaining({ code: 'model-invalid', message: expect.stringContaining(`config.json: ${message}`) as string }),
  );
});

test('what a configuration does not say is as transformers has it', () => {
  expect(parse('gpt2', gpt2Json)).toMatchObject({
    intermediateSize: 128,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    layerNormEpsilon: 1e-5,
  });
  const { num_key_value_heads: _, ...all } = llamaJson;
  expect(parse('llama', all)).toMatchObject({ keyHeads: 4, headSize: 16, theta: 10_000, isTied: false, maxPositions: 2048, scaling: null });
  expect(parse('qwen3', llamaJson)).toMatchObject({ headSize: 128, hasHeadNorms: true, biases: { queries: false } });
  expect(parse('qwen2', llamaJson)).toMatchObject({ headSize: 16, biases: { queries: true, mix: false } });
});

/** Of heads of 16 numbers, by LlamaRotaryEmbedding of transformers 5.24.0 (`inv_freq`). */
const frequencies: readonly (readonly [object, readonly number[]])[] = [
  [{ rope_theta: 10_000 }, [1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005, 0.000316227786]],
  [
    { rope_theta: 10_000, rope_scaling: { type: 'linear', factor: 4 } },
    [0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-5],
  ],
  [
    { rope_theta: 500_000, rope_scaling: llama3 },
    [1, 0.193922758, 0.0376060307, 0.00729266508, 0.000524846022, 3.42810235e-5, 6.64786967e-6, 1.28917316e-6],
  ],
  [
    { rope_parameters: { ...llama3, rope_theta: 500_000, factor: 32, original_max_position_embeddings: 256 } },
    [1, 0.193922758, 0.00763810938, 0.000227895784, 4.41941702e-5, 8.57025589e-6, 1.66196742e-6, 3.22293289e-7],
  ],
];

test.each(frequencies)('the frequencies of rotary positions are those of transformers: %j', (json, expected) => {
  const found = getFrequencies(parseLlama(json));
  expect(found).toHaveLength(8);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! / value - 1)).toBeLessThan(3e-7);
});

test('what is written of a configuration reads the same again', () => {
  const written: readonly [string, object][] = [
    ...frequencies.map(([json]): [string, object] => ['llama', { ...llamaJson, ...json, attention_bias: true, mlp_bias: true }]),
    ['qwen2', { ...llamaJson, tie_word_embeddings: true, eos_token_id: [4, 5] }],
    ['qwen3', { ...llamaJson, head_dim: 8, bos_token_id: 1, eos_token_id: 2, pad_token_id: 3 }],
    ['gpt2', { ...gpt2Json, n_inner: 40, embd_pdrop: 0.3, eos_token_id: 5 }],
  ];
  for (const [family, json] of written) {
    const config = parse(family, json);
    expect(parse(family, causalFamilies[family]!.buildConfigJson(config))).toEqual(config);
  }
});

/** config.json of the Llama family. */
import { z } from 'zod';
import { parseFields } from '../../lib/json.ts';
import type { CausalConfig } from './causal.ts';
import { number, whole } from './encoder.ts';

export interface LlamaConfig extends CausalConfig {
  /** The base of the angles of rotary positions. */
  readonly theta: number;
  readonly scaling: Scaling | null;
  /** Which maps have a bias. */
  readonly biases: Readonly<Record<'queries' | 'mix' | 'feedForward', boolean>>;
  /** Whether each head's query and key has a norm. */
  readonly hasHeadNorms: boolean;
  readonly initializerRange: number;
}

/** How angles are stretched for texts that are longer than those of the first training: all alike, or low frequencies more (Llama 3). */
type Scaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'llama3'; readonly factor: number; readonly low: number; readonly high: number; readonly positions: number };

const flag = z.boolean('true or false').nullish();
const factor = number(1e-3, 1e6);
const Rope = z
  .looseObject({
    rope_type: z.string('a name').nullish(),
    type: z.string('a name').nullish(),
    rope_theta: number(1, 1e12).nullish(),
    factor: factor.nullish(),
    low_freq_factor: factor.nullish(),
    high_freq_factor: factor.nullish(),
    original_max_position_embeddings: whole(1, 10_000_000).nullish(),
  })
  .nullish();

const ConfigJson = z
  .object({
    hidden_act: z.literal('silu', '"silu"').nullish(),
    vocab_size: whole(1, 1_000_000),
    hidden_size: whole(1, 65_536),
    intermediate_size: whole(1, 262_144),
    num_hidden_layers: whole(1, 256),
    num_attention_heads: whole(1, 512),
    num_key_value_heads: whole(1, 512).nullish(),
    head_dim: whole(2, 1024).nullish(),
    max_position_embeddings: whole(1, 10_000_000).nullish(),
    rms_norm_eps: number(1e-20, 1).nullish(),
    rope_theta: number(1, 1e12).nullish(),
    rope_scaling: Rope,
    rope_parameters: Rope,
    attention_bias: flag,
    mlp_bias: flag,
    attention_dropout: number(0, 0.99).nullish(),
    tie_word_embeddings: flag,
    use_sliding_window: z.literal(false, 'false').nullish(),
    initializer_range: number(0, 10).nullish(),
    bos_token_id: whole(0, 999_999).nullish(),
    eos_token_id: z.union([whole(0, 999_999), z.array(whole(0, 999_999))], 'a token or a list of tokens').nullish(),
    pad_token_id: z.int('a whole number').nullish(), // -1 where there is none
  })
  .superRefine((json, { addIssue }) => {
    const refuse = (field: string, message: string): void => addIssue({ code: 'custom', path: [field], message });
    const { hidden_size: size, num_attention_heads: heads, num_key_value_heads: groups, head_dim: own } = json;
    if (groups && heads % groups !== 0) refuse('num_key_value_heads', `a divisor of num_attention_heads ${heads}`);
    if (own ? own % 2 !== 0 : size % (2 * heads) !== 0) refuse(own ? 'head_dim' : 'num_attention_heads', 'heads of an even size');
    for (const field of ['rope_scaling', 'rope_parameters'] as const) {
      const rope = json[field];
      const type = rope?.rope_type ?? rope?.type ?? 'default';
      if (!['default', 'linear', 'llama3'].includes(type)) refuse(field, 'the type "default", "linear" or "llama3"');
      const needed = { default: [], linear: ['factor'], llama3: llama3Fields }[type] ?? [];
      const missing = needed.find((name) => typeof rope?.[name] !== 'number');
      if (missing !== undefined) refuse(field, `the field ${missing}`);
    }
  });
const llama3Fields = ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'];

/** A member of the family. */
export interface Kind {
  readonly name: string;
  readonly className: string;
  readonly hasQueryBias: (stated: boolean | null | undefined) => boolean;
  readonly hasMixBias: (stated: boolean | null | undefined) => boolean;
  readonly hasHeadNorms: boolean;
  /** D where the file does not say it; null: `hiddenSize / heads`. */
  readonly headSize: number | null;
}

export function parseConfig(kind: Kind, json: Readonly<Record<string, unknown>>, path: string): LlamaConfig {
  const found = parseFields(ConfigJson, json, { source: path, code: 'model-invalid' });
  const rope = found.rope_parameters ?? found.rope_scaling;
  const type = rope?.rope_type ?? rope?.type ?? 'default';
  const scaling: Scaling | null =
    type === 'linear'
      ? { type, factor: rope!.factor! }
      : type === 'llama3'
        ? {
            type,
            factor: rope!.factor!,
            low: rope!.low_freq_factor!,
            high: rope!.high_freq_factor!,
            positions: rope!.original_max_position_embeddings!,
          }
        : null;
  const { pad_token_id: pad, eos_token_id: eos } = found;
  return {
    family: kind.name,
    vocabSize: found.vocab_size,
    hiddenSize: found.hidden_size,
    layers: found.num_hidden_layers,
    heads: found.num_attention_heads,
    keyHeads: found.num_key_value_heads ?? found.num_attention_heads,
    headSize: found.head_dim ?? kind.headSize ?? found.hidden_size / found.num_attention_heads,
    intermediateSize: found.intermediate_size,
    maxPositions: found.max_position_embeddings ?? 2048,
    layerNormEpsilon: found.rms_norm_eps ?? 1e-6,
    hiddenDropout: 0,
    attentionDropout: found.attention_dropout ?? 0,
    initializerRange: found.initializer_range ?? 0.02,
    theta: rope?.rope_theta ?? found.rope_theta ?? 10_000,
    scaling,
    biases: {
      queries: kind.hasQueryBias(found.attention_bias),
      mix: kind.hasMixBias(found.attention_bias),
      feedForward: found.mlp_bias ?? false,
    },
    hasHeadNorms: kind.hasHeadNorms,
    isTied: found.tie_word_embeddings ?? false,
    padTokenId: pad != null && pad >= 0 && pad < found.vocab_size ? pad : 0,
    bosTokenId: found.bos_token_id ?? null,
    eosTokenIds: eos == null ? [] : Array.isArray(eos) ? eos : [eos],
  };
}

/** Only fields that we understand. Those of rotary positions by their old names, which every version of transformers reads. */
export function buildConfigJson({ className, name }: Kind, config: LlamaConfig): Record<string, unknown> {
  const { scaling, eosTokenIds: eos } = config;
  return {
    architectures: [className],
    model_type: name,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyHeads,
    head_dim: config.headSize,
    hidden_act: 'silu',
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.layerNormEpsilon,
    rope_theta: config.theta,
    rope_scaling:
      scaling === null
        ? null
        : scaling.type === 'linear'
          ? { rope_type: 'linear', factor: scaling.factor }
          : {
              rope_type: 'llama3',
              factor: scaling.factor,
              low_freq_factor: scaling.low,
              high_freq_factor: scaling.high,
              original_max_position_embeddings: scaling.positions,
            },
    attention_bias: config.biases.queries,
    ...(name === 'llama' ? { mlp_bias: config.biases.feedForward } : { use_sliding_window: false }),
    attention_dropout: config.attentionDropout,
    initializer_range: config.initializerRange,
    tie_word_embeddings: config.isTied,
    bos_token_id: config.bosTokenId,
    eos_token_id: eos.length === 1 ? eos[0] : eos.length === 0 ? null : eos,
    pad_token_id: config.padTokenId,
    torch_dtype: 'float32',
  };
}

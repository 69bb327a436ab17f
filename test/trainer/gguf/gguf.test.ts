import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isFailure } from '../../../src/errors.ts';
import { writeGguf } from '../../../src/trainer/gguf/index.ts';
import type { TensorToWrite } from '../../../src/trainer/safetensors.ts';
import { createScratchFolder } from '../../scratch.ts';
import { readTensors } from '../read-tensors.ts';
import { fixtures, tinyLlama, writeLanguageFolder, type LanguageFolder } from './language-folder.ts';
import { readGguf, readGgufTensor, type GgufFile } from './read-gguf.ts';

/** llama.cpp's names of the parameters of a layer. */
const layerNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
const outerNames: Readonly<Record<string, string>> = { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' };

function toSource(name: string): string {
  const [, layer, module, part] = /^(?:blk\.(\d+)\.)?(\w+)\.(\w+)$/.exec(name)!;
  return layer === undefined ? `${outerNames[module!]}.${part}` : `model.layers.${layer}.${layerNames[module!]}.${part}`;
}

const toBytes = (numbers: Float32Array): Uint8Array => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

/** Row `2j + s` of a head is its row `sD/2 + j` in transformers. */
function interleave(data: Float32Array, width: number, D: number): Float32Array {
  const interleaved = new Float32Array(data.length);
  for (let row = 0; row < data.length / width; row++) {
    const [place, head] = [row % D, row - (row % D)];
    const to = head + (place < D / 2 ? 2 * place : 2 * (place - D / 2) + 1);
    interleaved.set(data.subarray(row * width, (row + 1) * width), to * width);
  }
  return interleaved;
}

/** Every number is that of the folder as F16 has it, or as it is where it is a vector. */
function checkTensors(file: GgufFile, folder: string, turned: number | null): void {
  const stored = readTensors(join(folder, 'model.safetensors'));
  const names = [...file.tensors.keys()].filter((name) => name !== 'rope_freqs.weight');
  expect(names.map(toSource).toSorted()).toEqual([...stored.keys()].toSorted());
  for (const name of names) {
    const { data, shape } = stored.get(toSource(name))!;
    const isTurned = turned !== null && /attn_[qk]\./.test(name);
    const numbers = isTurned ? interleave(data!, shape[1] ?? 1, turned) : data!;
    const isVector = shape.length === 1;
    expect(file.tensors.get(name), name).toMatchObject({ type: isVector ? 'F32' : 'F16', shape });
    expect(file.tensors.get(name)!.start % 32).toBe(0);
    const expected = isVector ? numbers : Float32Array.from(Float16Array.from(numbers));
    expect(Buffer.compare(toBytes(readGgufTensor(file, name)), toBytes(expected)), name).toBe(0); // millions of numbers
  }
}

async function exportFolder(folder: string): Promise<{ file: GgufFile; warnings: readonly string[] }> {
  const path = join(createScratchFolder(), 'model.gguf');
  const { warnings, bytes } = await writeGguf({ folder, name: 'mine' }, path);
  expect(statSync(path).size).toBe(bytes);
  return { file: readGguf(path), warnings };
}

interface Exported {
  readonly file: GgufFile;
  readonly folder: string;
  readonly warnings: readonly string[];
  readonly get: (key: string) => unknown;
}

async function exportModel(model: LanguageFolder): Promise<Exported> {
  const folder = createScratchFolder();
  writeLanguageFolder(folder, model);
  const { file, warnings } = await exportFolder(folder);
  return { file, folder, warnings, get: (key) => file.metadata.get(key) };
}

function changeTokenizer(folder: string, change: (definition: Record<string, unknown>) => void): void {
  const path = join(folder, 'tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  change(json);
  writeFileSync(path, JSON.stringify(json));
}

test('a Llama with a SentencePiece tokenizer: every tensor, its sizes, its tokens', async () => {
  const { file, warnings } = await exportFolder(tinyLlama);
  checkTensors(file, tinyLlama, 16);
  const {
    tokens,
    scores,
    token_type: types,
    ...rest
  } = Object.fromEntries([...file.metadata].map(([key, value]) => [key.replace('tokenizer.ggml.', ''), value]));
  expect(rest).toEqual({
    'general.architecture': 'llama',
    'general.type': 'model',
    'general.name': 'mine',
    'general.file_type': 1,
    'general.quantization_version': 2,
    'llama.block_count': 5,
    'llama.context_length': 96,
    'llama.embedding_length': 64,
    'llama.feed_forward_length': 172,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.attention.key_length': 16,
    'llama.attention.value_length': 16,
    'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
    'llama.rope.dimension_count': 16,
    'llama.rope.freq_base': 10_000,
    'llama.vocab_size': 768,
    model: 'llama',
    pre: 'default',
    add_space_prefix: true,
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    padding_token_id: 0,
    add_bos_token: true,
    add_eos_token: false,
  });
  const { model } = JSON.parse(readFileSync(join(tinyLlama, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number>; merges: string[] };
  };
  expect(tokens).toEqual(Object.keys(model.vocab).toSorted((a, b) => model.vocab[a]! - model.vocab[b]!));
  expect((types as number[]).slice(0, 4)).toEqual([2, 3, 3, 6]); // unknown, two control tokens, a byte
  expect((types as number[]).slice(259)).toEqual(Array.from({ length: 768 - 259 }, () => 1));
  const score = (token: string): number => (scores as number[])[model.vocab[token]!]!;
  expect(score('▁t')).toBe(0); // merged first
  const [last] = model.merges.slice(-1).map((merge) => merge.replace(' ', ''));
  expect(score(last!)).toBe(-(model.merges.length - 1));
  expect(warnings).toEqual([expect.stringContaining('llama.cpp also merges 110 pairs')]);
});

test.each<[string, LanguageFolder, number | null]>([
  [
    'a Llama with biases and a table of its own for predictions',
    { family: 'llama', tokenizer: 'llama3', config: { attention_bias: true, mlp_bias: true } },
    16,
  ],
  ['a tied Llama', { family: 'llama', tokenizer: 'gpt2', config: { tie_word_embeddings: true, bos_token_id: 480, eos_token_id: 480 } }, 16],
  ['a Qwen2', { family: 'qwen2', tokenizer: 'qwen2' }, null],
  ['a Qwen3', { family: 'qwen3', tokenizer: 'qwen2', config: { head_dim: 8 } }, null],
])('%s: every tensor', async (_, model, turned) => {
  const { file, folder, get } = await exportModel(model);
  checkTensors(file, folder, turned);
  expect(get('general.architecture')).toBe(model.family);
  expect(get(`${model.family}.attention.key_length`)).toBe(model.config?.['head_dim'] ?? 16);
});

test('matrices that are read in several pieces are whole', async () => {
  // Queries [1024, 1100]: three heads of 256 rows in the first piece, one in the second.
  const config = { hidden_size: 1100, head_dim: 256, num_key_value_heads: 1, num_hidden_layers: 1, intermediate_size: 8 };
  const { file, folder } = await exportModel({ family: 'llama', tokenizer: 'llama3', config: { ...config, tie_word_embeddings: true } });
  checkTensors(file, folder, 256);
  expect(file.tensors.get('blk.0.attn_q.weight')?.shape).toEqual([1024, 1100]);
});

test('Llama 3 stretches low frequencies by factors of its own, another model all alike', async () => {
  const rope = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  const { file, get } = await exportModel({ family: 'llama', tokenizer: 'llama3', config: { rope_scaling: rope } });
  const factors = readGgufTensor(file, 'rope_freqs.weight');
  expect([...factors]).toHaveLength(8);
  expect(factors[0]).toBe(1); // a turn in 6 positions
  const share = (64 / (2 * Math.PI * 10 ** 0.5) - 1) / 3; // a turn in 20 positions
  expect(factors[1]).toBeCloseTo(1 / ((1 - share) / 8 + share), 6);
  expect([...factors.subarray(3)]).toEqual([8, 8, 8, 8, 8]);
  expect(get('llama.rope.scaling.type')).toBeUndefined();

  const linear = await exportModel({ family: 'llama', tokenizer: 'llama3', config: { rope_scaling: { type: 'linear', factor: 2.5 } } });
  expect(linear.file.tensors.has('rope_freqs.weight')).toBe(false);
  expect([linear.get('llama.rope.scaling.type'), linear.get('llama.rope.scaling.factor')]).toEqual(['linear', 2.5]);
});

test.each<[LanguageFolder['tokenizer'], Record<string, unknown>, string]>([
  [
    'gpt2',
    { model: 'gpt2', pre: 'gpt-2', add_bos_token: false, add_eos_token: false },
    'within words, and keeps the spaces beside them: <mask>, xone',
  ],
  ['qwen2', { model: 'gpt2', pre: 'qwen2', add_bos_token: false, add_eos_token: false }, 'the tokenizer of the folder as one (NFC)'],
  ['llama3', { model: 'gpt2', pre: 'llama-bpe', add_bos_token: true, add_eos_token: false }, ''],
])('the tokenizer %s: how llama.cpp reads a text', async (tokenizer, expected, ending) => {
  const tokenizerConfig = tokenizer === 'llama3' ? { bos_token: '<|begin_of_text|>', eos_token: '<|eot_id|>' } : {};
  const { get, warnings } = await exportModel({ family: 'llama', tokenizer, tokenizerConfig });
  expect(Object.fromEntries(Object.keys(expected).map((key) => [key, get(`tokenizer.ggml.${key}`)]))).toEqual(expected);
  expect(warnings.map((one) => one.slice(-ending.length))).toEqual(ending === '' ? [] : [ending]);
});

test.each([
  ['first', 'only at the beginning of a text, and only where there is none'],
  ['always', 'the tokenizer of the folder only where there is none'],
  ['never', ''],
])('spaces as "▁", put before a text: %s', async (scheme, ending) => {
  const folder = createScratchFolder();
  cpSync(tinyLlama, folder, { recursive: true });
  changeTokenizer(folder, (json) => {
    json['normalizer'] = null;
    json['pre_tokenizer'] = { type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split: false };
  });
  const { file, warnings } = await exportFolder(folder);
  expect(file.metadata.get('tokenizer.ggml.add_space_prefix')).toBe(scheme !== 'never');
  expect(warnings.slice(1).map((one) => one.slice(-ending.length))).toEqual(ending === '' ? [] : [ending]);
});

test('special tokens, the end of a turn, rows without a token, and the template without blocks that only a training reads', async () => {
  const template =
    '{%- for m in messages %}<|im_start|>{{ m.role }}\n{% generation %}{{ m.content }}<|im_end|>{%- endgeneration -%}{% endfor %}';
  const { get } = await exportModel({
    family: 'qwen2',
    tokenizer: 'qwen2',
    tokenizerConfig: { eos_token: { content: '<|endoftext|>' }, bos_token: null, chat_template: template },
  });
  const kinds = (get('tokenizer.ggml.token_type') as number[]).slice(479);
  expect(kinds).toEqual([1, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5]);
  expect((get('tokenizer.ggml.tokens') as string[]).slice(488)).toEqual([
    '</tool_call>',
    'éte',
    ...[0, 1, 2, 3, 4, 5].map((i) => `[PAD${490 + i}]`),
  ]);
  expect((get('tokenizer.ggml.merges') as string[])[0]).toBe('x x');
  expect([get('tokenizer.ggml.bos_token_id'), get('tokenizer.ggml.eos_token_id')]).toEqual([483, 480]); // bos: as the model says
  expect(get('tokenizer.ggml.eot_token_id')).toBeUndefined(); // no token at which the model stops is in the template
  expect(get('tokenizer.chat_template')).toBe(
    '{%- for m in messages %}<|im_start|>{{ m.role }}\n{% if true %}{{ m.content }}<|im_end|>{%- endif -%}{% endfor %}',
  );
});

test('the end of a turn is the token of the template at which the model stops', async () => {
  const folder = createScratchFolder();
  const tokenizerConfig = { eos_token: '<|endoftext|>', chat_template: '{{ messages[0].content }}<|im_end|>' };
  writeLanguageFolder(folder, { family: 'qwen2', tokenizer: 'qwen2', tokenizerConfig });
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [480, 482] }));
  const { file } = await exportFolder(folder);
  expect(file.metadata.get('tokenizer.ggml.eot_token_id')).toBe(482);
});

/** What the export of a folder is refused with; and what it left. */
async function findRefusal(folder: string): Promise<{ code: string; message: string; left: readonly string[] }> {
  const out = createScratchFolder();
  const failure = await writeGguf({ folder, name: 'mine' }, join(out, 'model.gguf')).catch((error: unknown) => error);
  if (!isFailure(failure)) throw new Error('expected a refusal', { cause: failure });
  return { code: failure.code, message: failure.message, left: readdirSync(out) };
}

const refused = (message: string): object => ({ code: 'model-invalid', message: expect.stringContaining(message) as string, left: [] });

const replace = (name: string, change: (tensor: TensorToWrite) => TensorToWrite | null) => (tensors: TensorToWrite[]) =>
  tensors.flatMap((tensor) => (tensor.name === name ? (change(tensor) ?? []) : tensor));
const put = (value: number, place: number) => (tensor: TensorToWrite) => ({ ...tensor, data: tensor.data.with(place, value) });

test.each<[string, Partial<LanguageFolder>, string]>([
  ['a classifier', { config: { architectures: ['LlamaForSequenceClassification'] } }, 'architectures: expected a model that writes text'],
  ['other scaling', { config: { rope_scaling: { type: 'dynamic', factor: 2 } } }, 'rope_scaling'],
  [
    'a number that is too large',
    { change: replace('model.layers.1.mlp.up_proj.weight', put(70_000, 33)) },
    'model.layers.1.mlp.up_proj.weight: F16 holds numbers between -65504 and 65504, found 70000 in row 1, column 1',
  ],
  [
    'a number that is none',
    { change: replace('lm_head.weight', put(NaN, 0)) },
    'lm_head.weight: F16 holds numbers between -65504 and 65504, found NaN in row 0, column 0',
  ],
  ['a missing tensor', { change: replace('model.norm.weight', () => null) }, 'tensor model.norm.weight [32] is missing'],
  ['fewer rows than tokens', { config: { vocab_size: 100 } }, 'expected each token with a number below 100'],
])('%s is refused', async (_, model, message) => {
  const folder = createScratchFolder();
  if (model.config?.['rope_scaling'] === undefined) writeLanguageFolder(folder, { family: 'llama', tokenizer: 'llama3', ...model });
  else {
    writeLanguageFolder(folder, { family: 'llama', tokenizer: 'llama3' });
    const path = join(folder, 'config.json');
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...model.config }));
  }
  expect(await findRefusal(folder)).toEqual(refused(message));
});

test('numbers at the edge of F16 are kept', async () => {
  const edge = replace('lm_head.weight', (tensor) => put(-65_504, 1)(put(65_519.99, 0)(tensor)));
  const { file } = await exportModel({ family: 'llama', tokenizer: 'llama3', change: edge });
  expect([...readGgufTensor(file, 'output.weight').subarray(0, 2)]).toEqual([65_504, -65_504]);
});

test.each<[string, (definition: Record<string, unknown>) => void, string]>([
  [
    'a pattern without a name',
    (json) => (json['pre_tokenizer'] = { type: 'Whitespace' }),
    'pre_tokenizer: expected a way of gpt-2, smollm',
  ],
  ['a normalizer', (json) => (json['normalizer'] = { type: 'Lowercase' }), 'normalizer: llama.cpp cannot do the step'],
  ['another kind', (json) => (json['model'] = { type: 'WordPiece', vocab: { a: 0 } }), 'model: expected byte-pair encoding'],
])('a tokenizer with %s is refused', async (_, change, message) => {
  const folder = createScratchFolder();
  writeLanguageFolder(folder, { family: 'llama', tokenizer: 'llama3' });
  changeTokenizer(folder, change);
  expect(await findRefusal(folder)).toEqual(refused(message));
});

test('models of other families are refused, with what they are', async () => {
  expect(await findRefusal(join(fixtures, 'models/tiny-bert'))).toEqual(refused('model_type: expected llama, qwen2, qwen3, found "bert"'));
});

test('a folder without a model is refused', async () => {
  const { code, message } = await findRefusal(createScratchFolder());
  expect([code, message]).toEqual(['file-missing', expect.stringContaining('model configuration not found: ')]);
});

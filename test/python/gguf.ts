/**
 *     node test/python/gguf.ts --python PATH
 *
 * Exported models beside what runs them: PyPI's gguf finds the numbers of the folder bit for bit, and llama.cpp reads texts as the same tokens
 * and answers them as transformers does. tiny-llama, and small random models of every member of the family.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeGguf } from '../../src/trainer/gguf/index.ts';
import { fixtures, tinyLlama, writeLanguageFolder, type LanguageFolder } from '../trainer/gguf/language-folder.ts';
import { openPythonChecks } from './python.ts';

/** Of the attention's cache in 16 bits and of sums in another order. */
const tolerance = 0.02;

interface Answer {
  readonly name: string;
  readonly tensors: number;
  readonly different: readonly string[];
  readonly texts: number;
  readonly misread: readonly string[];
  /** Largest difference of the log-probabilities of the best tokens. */
  readonly distance: number;
  /** How many of the answers had them. */
  readonly seen: number;
  /** The best token after each prompt: of transformers, of llama.cpp. */
  readonly greedy: readonly (readonly [number, number])[];
}

const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const ends = { bos_token: '<|begin_of_text|>', eos_token: '<|eot_id|>' };
const models: Readonly<Record<string, LanguageFolder>> = {
  'llama 3': { family: 'llama', tokenizer: 'llama3', tokenizerConfig: ends, config: { rope_scaling: llama3 } },
  'llama with biases': { family: 'llama', tokenizer: 'llama3', tokenizerConfig: ends, config: { attention_bias: true, mlp_bias: true } },
  'llama stretched': {
    family: 'llama',
    tokenizer: 'gpt2',
    config: { tie_word_embeddings: true, rope_scaling: { rope_type: 'linear', factor: 4 } },
  },
  qwen2: { family: 'qwen2', tokenizer: 'qwen2', config: { head_dim: 8 } },
  'llama metaspace': {
    family: 'llama',
    tokenizer: 'metaspace',
    tokenizerConfig: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  },
  qwen3: { family: 'qwen3', tokenizer: 'qwen2' },
};

const checks = openPythonChecks('gguf');
const out = mkdtempSync(join(tmpdir(), 'gguf-'));
/** Texts that llama.cpp reads as other tokens, as the warnings of the export say. */
const misread: Readonly<Partial<Record<LanguageFolder['tokenizer'], (text: string) => boolean>>> = {
  qwen2: (text) => text !== text.normalize('NFC'),
  gpt2: (text) => /<mask>|xone/.test(text),
  metaspace: (text) => /^[ ▁]|<s>|<\/s>|<unk>|\[INST\]/.test(text),
};

const { texts } = JSON.parse(readFileSync(join(fixtures, 'parity/tokenizers.json'), 'utf8')) as { texts: string[] };
for (const name of ['tiny-llama', ...Object.keys(models)]) {
  const place = join(out, name);
  const folder = join(place, 'model');
  mkdirSync(place);
  if (models[name]) writeLanguageFolder(folder, models[name]);
  else cpSync(tinyLlama, folder, { recursive: true });
  await writeGguf({ folder, name }, join(place, 'model.gguf'));
  writeFileSync(
    join(place, 'texts.json'),
    JSON.stringify({
      read: texts.filter((text) => misread[models[name]?.tokenizer ?? 'llama3']?.(text) !== true),
      answered: ['The film was', 'user: Good case.\nassistant:'],
    }),
  );
}
for (const { name, tensors, different, texts: count, misread, distance, seen, greedy } of checks.ask<Answer[]>(out)) {
  checks.check(`${name}: ${tensors} tensors, bit for bit`, different.length === 0, different);
  checks.check(`${name}: ${count} texts are the same tokens`, misread.length === 0, misread);
  checks.checkAtMost(`${name}: log-probabilities of ${seen} answers in llama.cpp`, seen >= 8 ? distance : NaN, tolerance);
  checks.check(
    `${name}: ${greedy.length} answers in llama.cpp`,
    greedy.every(([ours, theirs]) => ours === theirs),
    greedy,
  );
}
rmSync(out, { recursive: true, force: true });
checks.end();

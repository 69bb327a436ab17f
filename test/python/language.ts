/**
 *     node test/python/language.ts --python PATH
 *
 * Language models that were trained here, in transformers and, as an adapter on the base model, in PEFT: both give the same
 * log-probabilities and go on with the same tokens as the model does here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getBackend, startBackend } from '../../src/trainer/backends/index.ts';
import { closeNetwork, computeAndFree } from '../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../src/trainer/engine/train.ts';
import { startContinuation } from '../../src/trainer/language/continuation.ts';
import { computeLogProbabilities, openLanguageModel, type LanguageModel } from '../../src/trainer/language/model.ts';
import type { AdapterSettings, LoraSettings } from '../../src/trainer/protocol.ts';
import { saveLanguageModel } from '../../src/trainer/save-model.ts';
import { chat } from '../../src/trainer/tasks/language/chat.ts';
import type { LearnedRow } from '../../src/trainer/tasks/language/rows.ts';
import { createLanguageFolder, type LanguageFamily } from '../trainer/language/small-language.ts';
import { settings } from '../trainer/tiny-classifier.ts';
import { openPythonChecks } from './python.ts';

/** Log-probabilities of the same parameters: sums in another order differ in the last bits. */
const tolerance = 1e-4;
const tokens = 12;

const texts = [3, 4, 6, 9, 13].map((length, i) => Array.from({ length }, (_, j) => 3 + ((i * 131 + j * 67) % 390)));
const rows: LearnedRow[] = texts.map((ids) => ({ ids, learned: ids.map((_, i) => i > 1) }));
const prompt = [5, 17, 300, 8, 44];

const lora: LoraSettings = { type: 'lora', rank: 4, alpha: 16, dropout: 0.1, targets: null, rankStabilized: false };
const ways: Readonly<Record<string, AdapterSettings | null>> = {
  'all parameters': null,
  LoRA: lora,
  'rsLoRA on all linear maps': { ...lora, targets: ['all-linear'], rankStabilized: true },
};

interface Answer {
  readonly scores: readonly (readonly number[])[];
  readonly tokens: readonly number[];
  readonly warnings?: readonly string[];
}

interface Made {
  readonly name: string;
  readonly base: string;
  readonly folder: string;
  readonly isAdapter: boolean;
  readonly own: Answer;
}

const { ask, check, checkAtMost, end } = openPythonChecks('language');
const scratch = mkdtempSync(join(tmpdir(), 'language-'));
const tf = await startBackend('wasm');

function toAnswer(model: LanguageModel<LearnedRow>): Answer {
  const places = texts.flatMap((ids, row) => ids.slice(1).map((_, i) => ({ row, token: i + 1 })));
  const found = computeAndFree(tf, () => computeLogProbabilities(model, rows, { places, next: null }).dataSync<'float32'>());
  const scores = texts.map((_, row) => places.flatMap((place, i) => (place.row === row ? [found[i]!] : [])));
  const continuation = startContinuation(model, [prompt]);
  const followed: number[] = [];
  for (;;) {
    const logits = continuation.logits[0]!;
    followed.push(logits.indexOf(Math.max(...logits)));
    if (followed.length === tokens) break;
    continuation.append(followed.slice(-1));
  }
  continuation.close();
  return { scores, tokens: followed };
}

function train(family: LanguageFamily, base: string, [way, adapter]: [string, AdapterSettings | null]): Made {
  const model = openLanguageModel(tf, { folder: base, seed: 1, maxLength: 64 }, { task: chat, adapter });
  const { optimizer } = createTrainingState(tf, settings, getBackend('wasm').memory);
  const step = { optimizer, learningRate: 0.01, microBatchSize: 8, maxGradNorm: 1, seed: 1 };
  for (let i = 0; i < 6; i++) takeStep(model, rows, { ...step, step: i });
  const name = `${family}, ${way}`;
  const folder = join(scratch, name.replaceAll(/\W+/g, '-'));
  saveLanguageModel(model, folder, { source: base, card: '', base });
  const own = toAnswer(model);
  closeNetwork(model);
  return { name, base, folder, isAdapter: adapter !== null, own };
}

function askAll(tasks: readonly object[]): Answer[] {
  const path = join(scratch, 'tasks.json');
  writeFileSync(path, JSON.stringify(tasks.map((task) => ({ ...task, texts, prompt, tokens }))));
  return ask<Answer[]>(path);
}

function checkAnswer(name: string, found: Answer, own: Answer): void {
  const [theirs, ours] = [found.scores.flat(), own.scores.flat()];
  const difference = theirs.length === ours.length ? Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!))) : NaN;
  checkAtMost(`${name}: log-probabilities`, difference, tolerance);
  check(
    `${name}: the tokens that follow`,
    found.tokens.join(' ') === own.tokens.join(' '),
    `${found.tokens.join(' ')}; here ${own.tokens.join(' ')}`,
  );
  check(`${name}: nothing is warned of`, found.warnings?.length === 0, found.warnings);
}

try {
  const families: readonly LanguageFamily[] = ['llama', 'qwen2', 'qwen3', 'gpt2'];
  const made = families.flatMap((family) => {
    const base = createLanguageFolder(family, scratch);
    return Object.entries(ways).map((way) => train(family, base, way));
  });
  const adapters = made.filter(({ isAdapter }) => isAdapter);
  const answers = askAll([
    ...made.map(({ folder }) => ({ folder })),
    ...adapters.map(({ folder, base }) => ({ folder: join(folder, 'adapter'), base })),
  ]);
  for (const [i, { name, own }] of made.entries()) checkAnswer(`${name}: the model in transformers`, answers[i]!, own);
  for (const [i, { name, own }] of adapters.entries()) checkAnswer(`${name}: the adapter in PEFT`, answers[made.length + i]!, own);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
end();

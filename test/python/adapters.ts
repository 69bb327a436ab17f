/**
 *     node test/python/adapters.ts --python PATH
 *
 * Low-rank adapters and PEFT: those that we trained are read by PEFT, those that PEFT saved by us, and both compute the same logits, also
 * merged into a model that transformers reads.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFailureData } from '../../src/errors.ts';
import { getBackend, startBackend } from '../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../src/trainer/engine/train.ts';
import type { AdapterSettings, LoraSettings } from '../../src/trainer/protocol.ts';
import { mergeAdapter } from '../../src/trainer/merge-adapter.ts';
import { saveModel } from '../../src/trainer/save-model.ts';
import { computeAllLogits, openClassifier, type Classifier } from '../../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../../src/trainer/tasks/classification/rows.ts';
import { settings } from '../trainer/tiny-classifier.ts';
import { openPythonChecks } from './python.ts';

const models = join(import.meta.dirname, '../../fixtures');
const bases = { bert: join(models, 'models/tiny-bert'), distilbert: join(models, 'parity/models/tiny-distilbert') };
type Family = keyof typeof bases;

const labels = ['a', 'b', 'c'];
const rows: EncodedRow[] = [3, 4, 6, 9, 13].map((length, i) => {
  return { ids: Array.from({ length }, (_, j) => 3 + ((i * 31 + j * 17) % 18)), typeIds: new Array<number>(length).fill(0), label: i % 3 };
});
const ids = rows.map((row) => row.ids);

/** Logits of the same parameters: sums in another order differ in the last bits. */
const tolerance = 1e-5;

const lora: LoraSettings = { type: 'lora', rank: 4, alpha: 16, dropout: 0.1, targets: null, rankStabilized: false };
const trained: Readonly<Record<string, AdapterSettings>> = {
  LoRA: lora,
  'rsLoRA on all linear maps': { ...lora, targets: ['all-linear'], rankStabilized: true },
  'LoRA of rank 1 without dropout': { ...lora, rank: 1, dropout: 0 },
  'head only': { type: 'head' },
};

const bertTargets = ['query', 'key', 'intermediate.dense', 'attention.output.dense'];
const saved: readonly { readonly name: string; readonly family: Family; readonly config: object }[] = [
  { name: 'LoRA by default', family: 'bert', config: { r: 4, lora_alpha: 8 } },
  { name: 'LoRA', family: 'distilbert', config: { r: 4, lora_alpha: 8, target_modules: ['q_lin', 'v_lin'] } },
  { name: 'rsLoRA', family: 'bert', config: { r: 4, lora_alpha: 8, use_rslora: true, target_modules: bertTargets } },
  { name: 'all-linear', family: 'bert', config: { r: 2, target_modules: 'all-linear' } },
  { name: 'a pattern', family: 'distilbert', config: { r: 2, target_modules: '.*(q_lin|ffn.lin1)' } },
  { name: 'a pattern', family: 'bert', config: { r: 2, target_modules: String.raw`.*layer\.1\.attention\.self\.(query|value)` } },
  { name: 'modules saved with it', family: 'bert', config: { r: 2, target_modules: ['query'], modules_to_save: ['classifier', 'pooler'] } },
  { name: 'DoRA', family: 'bert', config: { r: 2, use_dora: true, target_modules: ['query', 'output.dense'] } },
  { name: 'a large dropout', family: 'bert', config: { r: 8, lora_dropout: 0.5, target_modules: ['value'] } },
];

/** What adapters.py answers. */
interface Answer {
  readonly logits: readonly (readonly number[])[];
  readonly merged?: readonly (readonly number[])[];
  readonly trained?: number;
  readonly warnings: readonly string[];
}

const { ask, check, checkAtMost, end } = openPythonChecks('adapters');
const scratch = mkdtempSync(join(tmpdir(), 'adapters-'));
const tf = await startBackend('wasm');

function askAll(command: 'save' | 'answer', tasks: readonly object[]): Answer[] {
  const path = join(scratch, `${command}.json`);
  writeFileSync(path, JSON.stringify(tasks.map((task) => ({ ...task, labels: labels.length, rows: ids }))));
  return ask<Answer[]>(command, path);
}

function toDifference(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  const [first, second] = [a.flat(), b.flat()];
  return first.length === second.length ? Math.max(...first.map((value, i) => Math.abs(value - second[i]!))) : NaN;
}

function open(folder: string, given: { adapter?: string; settings?: AdapterSettings } = {}): Classifier {
  const source = { folder, labels, seed: 1, maxLength: 16, ...(given.adapter === undefined ? {} : { adapter: given.adapter }) };
  return openClassifier(tf, source, given.settings ?? null);
}

/** Logits of what a folder holds. */
function answer(folder: string, adapter?: string): number[][] {
  const classifier = open(folder, adapter === undefined ? {} : { adapter });
  const logits = computeAllLogits(classifier, rows);
  closeNetwork(classifier);
  return logits;
}

function checkOwn(): void {
  const cases = Object.keys(bases).flatMap((family) =>
    Object.entries(trained).map(([name, adapter]) => ({ name, family: family as Family, adapter })),
  );
  const made = cases.map(({ name, family, adapter }, i) => {
    const classifier = open(bases[family], { settings: adapter });
    const { optimizer } = createTrainingState(tf, settings, getBackend('wasm').memory);
    const step = { optimizer, learningRate: 0.01, microBatchSize: 8, maxGradNorm: 1, seed: 1 };
    for (let i = 0; i < 8; i++) takeStep(classifier, rows, { ...step, step: i });
    const logits = computeAllLogits(classifier, rows);
    const count = [...classifier.parameters].reduce((sum, [one, { size }]) => sum + (classifier.isTrainable(one) ? size : 0), 0);
    const folder = join(scratch, `own-${i}`);
    saveModel(classifier, folder, { source: bases[family], card: '', base: bases[family] });
    closeNetwork(classifier);
    return { name: `${family}, ${name}`, family, folder, logits, count, isLora: adapter.type === 'lora' };
  });
  const adapters = made.filter(({ isLora }) => isLora);
  const answers = askAll('answer', [
    ...made.map(({ folder }) => ({ folder })),
    ...adapters.map(({ folder, family }) => ({ folder: join(folder, 'adapter'), base: bases[family] })),
  ]);
  for (const [i, { name, logits }] of made.entries()) {
    checkAtMost(`trained here, ${name}: the model in transformers`, toDifference(answers[i]!.logits, logits), tolerance);
  }
  for (const [i, { name, logits, count }] of adapters.entries()) {
    const found = answers[made.length + i]!;
    checkAtMost(`trained here, ${name}: the adapter in PEFT`, toDifference(found.logits, logits), tolerance);
    checkAtMost(`trained here, ${name}: merged by PEFT`, toDifference(found.merged!, logits), tolerance);
    check(`trained here, ${name}: PEFT trains as many parameters`, found.trained === count, `${found.trained}, ${count} here`);
    check(`trained here, ${name}: PEFT warns of nothing`, found.warnings.length === 0, found.warnings);
  }
}

function checkTheirs(): void {
  const tasks = saved.map(({ family, config }, i) => ({ base: bases[family], config, folder: join(scratch, `theirs-${i}`) }));
  const answers = askAll('save', tasks);
  const merged = tasks.map(({ folder, base }) => ({ folder: `${folder}-merged`, base, adapter: folder }));
  for (const [i, { name, family, config }] of saved.entries()) {
    const { folder, base } = tasks[i]!;
    const title = `saved by PEFT, ${family}, ${name}`;
    const { logits } = answers[i]!;
    if ('use_dora' in config)
      check(`${title}: is to be merged`, /`orchestrate merge`/.test(getHint(() => answer(base, folder))), 'the hint');
    else checkAtMost(title, toDifference(answer(base, folder), logits), tolerance);
    mergeAdapter({ base, adapter: folder, target: merged[i]!.folder, labels, name: base });
    checkAtMost(`${title}: merged here`, toDifference(answer(merged[i]!.folder), logits), tolerance);
  }
  const read = askAll(
    'answer',
    merged.map(({ folder }) => ({ folder })),
  );
  for (const [i, { name, family }] of saved.entries()) {
    const difference = toDifference(read[i]!.logits, answers[i]!.merged!);
    checkAtMost(`saved by PEFT, ${family}, ${name}: merged here, in transformers, beside merged by PEFT`, difference, tolerance);
  }
}

function getHint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return toFailureData(error).hint ?? '';
  }
  return '';
}

try {
  checkOwn();
  checkTheirs();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
end();

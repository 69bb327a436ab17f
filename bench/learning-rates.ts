/**
 * `node bench/learning-rates.ts OUT MODEL_FOLDER... -- DATA.jsonl[:COLUMN]...`: fine-tunes each model on each data set with each rate of a
 * grid, and fits the local default: the learning rate by the number of a model's parameters. All data sets but the last one are fitted; the
 * last one shows how far the rule stays behind the best rate of the grid. Each training is a line of OUT, and is not repeated where it
 * stands there already; without models only the report is made.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { toShuffled, toStreamKey } from '../src/lib/random.ts';
import { startBackend } from '../src/trainer/backends/index.ts';
import { closeNetwork } from '../src/trainer/engine/network.ts';
import { createTrainingState, train } from '../src/trainer/engine/train.ts';
import { readModelFolder } from '../src/trainer/model-folder.ts';
import { openClassifier } from '../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../src/trainer/tasks/classification/rows.ts';
import { readRows } from '../test/trainer/read-rows.ts';
import { toTable } from './markdown.ts';

const rates = [3e-5, 1e-4, 3e-4, 1e-3, 3e-3];
/** A large model is trained once. */
const toSeeds = (parameters: number): number[] => (parameters < 2e6 ? [1, 2] : [1]);
const [trainingRows, heldOutRows, maxLength] = [320, 400, 48];
/** What the trainer takes where a job says nothing. */
const settings = {
  epochs: 3,
  steps: null,
  batchSize: 16,
  microBatchSize: 16,
  schedule: 'linear',
  warmupRatio: 0,
  weightDecay: 0,
  maxGradNorm: 1,
  select: 'last',
  checkpointSteps: null,
} as const;

interface Measured {
  readonly model: string;
  readonly parameters: number;
  readonly data: string;
  readonly rate: number;
  readonly seed: number;
  /** On held-out rows. */
  readonly accuracy: number;
  /** Mean loss of the last tenth of the steps. */
  readonly loss: number;
}

const separator = process.argv.indexOf('--');
const [out, ...models] = process.argv.slice(2, separator);
const sets = process.argv.slice(separator + 1);
if (separator < 0 || out === undefined || sets.length < 2) throw new Error('expected OUT [MODEL...] -- DATA DATA...');

const scratch = mkdtempSync(join(tmpdir(), 'rates-'));
const tf = await startBackend('wasm');
try {
  for (const model of models) for (const set of sets) await measure(model, set);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(formatReport(readMeasured()));

function readMeasured(): Measured[] {
  const lines = existsSync(out!) ? readFileSync(out!, 'utf8').trim().split('\n') : [];
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Measured);
}

async function measure(folder: string, set: string): Promise<void> {
  const known = readMeasured();
  const name = { model: basename(resolve(folder)), data: toSetName(set) };
  const files = writeSplit(set);
  const { parameters } = readModelFolder(resolve(folder));
  for (const rate of rates) {
    for (const seed of toSeeds(parameters)) {
      if (known.some((one) => one.model === name.model && one.data === name.data && one.rate === rate && one.seed === seed)) continue;
      const classifier = openClassifier(tf, { folder: resolve(folder), labels: files.labels, seed, maxLength });
      const { rows } = await readRows(classifier, files.train);
      const { rows: heldOut } = await readRows(classifier, files.test);
      const losses = trainRows(classifier, rows, { rate, seed });
      const { accuracy = NaN } = classifier.task.evaluate(classifier, heldOut);
      const tail = losses.slice(-Math.ceil(losses.length / 10));
      const loss = tail.reduce((sum, value) => sum + value, 0) / tail.length;
      appendFileSync(out!, `${JSON.stringify({ ...name, parameters, rate, seed, accuracy, loss } satisfies Measured)}\n`);
      closeNetwork(classifier);
    }
  }
}

function trainRows(
  classifier: Parameters<typeof train>[0],
  rows: readonly EncodedRow[],
  { rate, seed }: { readonly rate: number; readonly seed: number },
): number[] {
  const losses: number[] = [];
  const data = { rows, validation: [], settings: { ...settings, learningRate: rate, seed } };
  train(classifier, data, {
    state: createTrainingState(tf, settings, 'process'),
    write: (event) => void (event.type === 'step-finished' && losses.push(event.loss)),
    readControlRequest: () => null,
    afterStep: () => {},
    now: () => performance.now(),
  });
  return losses;
}

function toSetName(set: string): string {
  const [path, column = 'label'] = set.split(':');
  return `${basename(path!, '.jsonl')}:${column}`;
}

/** The same rows for every model: shuffled once, the first ones for training. */
function writeSplit(set: string): { readonly train: string; readonly test: string; readonly labels: readonly string[] } {
  const [path, column = 'label'] = set.split(':');
  const rows = readFileSync(path!, 'utf8').trim().split('\n');
  const parsed = rows.map((line) => JSON.parse(line) as Record<string, string>);
  const shuffled = toShuffled(parsed, toStreamKey(1, 'rates')).map((row) => ({ text: row['text'], label: row[column]! }));
  const write = (name: string, part: typeof shuffled): string => {
    const file = join(scratch, name);
    writeFileSync(file, part.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return file;
  };
  const labels = [...new Set(shuffled.map(({ label }) => label))].sort();
  const train = write('train.jsonl', shuffled.slice(0, trainingRows));
  return { train, test: write('test.jsonl', shuffled.slice(-heldOutRows)), labels };
}

/** Mean accuracy over the seeds by rate, for one model and data set. */
interface Curve {
  readonly model: string;
  readonly parameters: number;
  readonly data: string;
  readonly accuracies: readonly number[];
}

function toCurves(measured: readonly Measured[]): Curve[] {
  const groups = Map.groupBy(measured, ({ model, data }) => `${model} ${data}`);
  return [...groups.values()].map((group) => {
    const { model, parameters, data } = group[0]!;
    const accuracies = rates.map((rate) => {
      const found = group.filter((one) => one.rate === rate).map(({ accuracy }) => accuracy);
      return found.reduce((sum, value) => sum + value, 0) / found.length;
    });
    return { model, parameters, data, accuracies };
  });
}

/** How far the accuracy at a rate lies below the best of the grid; between two rates along a line over the logarithm. */
function toShortfall({ accuracies }: Curve, rate: number): number {
  const place = Math.min(rates.length - 1.0001, Math.max(0, toPlace(rate)));
  const below = Math.floor(place);
  const between = accuracies[below]! + (accuracies[below + 1]! - accuracies[below]!) * (place - below);
  return Math.max(...accuracies) - between;
}

/** Where a rate lies between the places of the grid. */
function toPlace(rate: number): number {
  const above = rates.findIndex((one) => one >= rate);
  if (above <= 0) return above === 0 ? 0 : rates.length - 1;
  return above - 1 + Math.log(rate / rates[above - 1]!) / Math.log(rates[above]! / rates[above - 1]!);
}

interface Rule {
  /** The rate of a model of a million parameters. */
  readonly rate: number;
  readonly exponent: number;
}

function applyRule({ rate, exponent }: Rule, parameters: number): number {
  return rate * (1e6 / parameters) ** exponent;
}

/** The rule with the least mean shortfall; of equal ones that in the middle. */
function fitRule(curves: readonly Curve[]): Rule & { readonly shortfall: number } {
  const candidates = Array.from({ length: 41 }, (_, i) => 1e-4 * 10 ** (i / 20)).flatMap((rate) =>
    Array.from({ length: 21 }, (_, i) => i / 20).map((exponent) => {
      const rule = { rate, exponent };
      const sum = curves.reduce((total, curve) => total + toShortfall(curve, applyRule(rule, curve.parameters)), 0);
      return { ...rule, shortfall: sum / curves.length };
    }),
  );
  const least = Math.min(...candidates.map(({ shortfall }) => shortfall));
  const best = candidates.filter(({ shortfall }) => shortfall <= least + 0.002);
  const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  return { rate: middle(best.map((one) => one.rate)), exponent: middle(best.map((one) => one.exponent)), shortfall: least };
}

function formatReport(measured: readonly Measured[]): string {
  const curves = toCurves(measured).filter(({ accuracies }) => accuracies.every(Number.isFinite)); // all rates were tried
  const last = toSetName(sets.at(-1)!);
  const rule = fitRule(curves.filter(({ data }) => data !== last));
  const rows = curves.map((curve) => {
    const rate = applyRule(rule, curve.parameters);
    const points = (100 * toShortfall(curve, rate)).toFixed(1);
    return [
      curve.model,
      (curve.parameters / 1e6).toFixed(2),
      `${curve.data}${curve.data === last ? ' (not fitted)' : ''}`,
      ...curve.accuracies.map((value) => value.toFixed(3)),
      rate.toPrecision(2),
      points,
    ];
  });
  const header = ['model', 'parameters, M', 'data', ...rates.map((rate) => rate.toExponential(0)), 'rule', 'points below the best'];
  const found = `rate = ${rule.rate.toPrecision(2)} x (1e6 / parameters)^${rule.exponent.toFixed(2)}; mean shortfall ${(100 * rule.shortfall).toFixed(2)} points`;
  return `${toTable([header, ...rows])}\n\n${found}`;
}

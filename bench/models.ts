/**
 * What training costs on this machine, by the sizes of a model: measures steps, and fits the constants of providers/local/estimate.ts to
 * them. Writes providers/local/measured.json, which `plan` and `models local` read: run it again for another engine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { countMemory, countParts, countWork, measured as known, sumProducts, type Measured } from '../providers/local/needs.ts';
import { toMedian } from './interleave.ts';
import { toTable } from './markdown.ts';
import type { ModelMeasures, ModelTask } from './measure-model.ts';
import { createShape } from './shapes.ts';

type Sample = ModelTask & ModelMeasures;

/** Layers, numbers a position, rows and tokens a row. The rows of `models local` have 16 x 32. */
const shapes: readonly (readonly [layers: number, hidden: number, rows: number, tokens: number])[] = [
  [2, 128, 16, 32],
  [2, 128, 16, 128],
  [2, 128, 32, 64],
  [4, 256, 16, 32],
  [4, 256, 16, 128],
  [3, 384, 16, 32],
  [6, 384, 16, 32],
  [6, 384, 16, 64],
  [6, 384, 4, 128],
  [6, 384, 16, 128],
  [12, 384, 16, 32],
  [12, 384, 8, 64],
  [4, 512, 16, 32],
  [12, 768, 8, 32],
  [12, 768, 4, 64],
];

const shown = { rows: 16, tokens: 32 };

/** The measures of each shape, each in a process of its own. A file of samples that were taken before saves their time. */
function takeSamples(scratch: string): Sample[] {
  const known = process.env['BENCH_SAMPLES'];
  if (known !== undefined) return readSamples(known);
  const path = join(scratch, 'samples.jsonl');
  for (const [layers, hidden, rows, tokens] of shapes) {
    const task: ModelTask = { config: createShape(layers, hidden), rows, tokens, steps: hidden < 384 ? 5 : 2 };
    const args = [resolve(import.meta.dirname, 'measure-model.ts'), JSON.stringify(task)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${layers} x ${hidden}, ${rows} x ${tokens}: ${stderr}`);
    writeFileSync(path, `${JSON.stringify({ ...task, ...(JSON.parse(stdout) as ModelMeasures) })}\n`, { flag: 'a' });
  }
  return readSamples(path);
}

function readSamples(path: string): Sample[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Sample);
}

/**
 * Constants from 0 that make the sums of products differ least from the values, each difference as a share of its value: coordinate descent.
 */
export function fitConstants(counts: readonly (readonly number[])[], values: readonly number[]): number[] {
  const scaled = counts.map((row, i) => row.map((count) => count / values[i]!));
  const constants = scaled[0]!.map(() => 0);
  for (let round = 0; round < 20_000; round++) {
    for (const j of constants.keys()) {
      let [product, square] = [0, 0];
      for (const row of scaled) {
        const rest = 1 - sumProducts(row, constants) + row[j]! * constants[j]!;
        product += row[j]! * rest;
        square += row[j]! ** 2;
      }
      constants[j] = square === 0 ? 0 : Math.max(0, product / square);
    }
  }
  return constants.map((constant) => Number(constant.toPrecision(4)));
}

export async function measureModels(scratch: string): Promise<string> {
  const samples = await Promise.resolve(takeSamples(scratch));
  const toParameters = ({ config }: Sample): number => Object.values(countParts(config)).reduce((sum, part) => sum + part, 0);
  const work = samples.map((sample) => countWork(sample.config, sample));
  const memory = samples.map((sample) => countMemory(sample.config, sample));
  const beside = samples.map(({ processBytes, wasmBytes }) => processBytes - wasmBytes);
  const [always, each] = fitConstants(
    samples.map((sample) => [1, toParameters(sample)]),
    beside,
  ) as [number, number];
  const measured: Measured = {
    machine: `one core of a shared ${cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() ?? 'an unknown processor'}`,
    date: new Date().toISOString().slice(0, 10),
    versions: `Node ${process.versions.node}, tfjs 4.22.0, own kernels (WASM, relaxed SIMD)`,
    work: fitConstants(
      work,
      samples.map(({ step }) => step),
    ),
    forward: Number(toMedian(samples.map(({ forward, step }) => forward / step)).toPrecision(3)),
    wasm: fitConstants(
      memory,
      samples.map(({ wasmBytes }) => wasmBytes),
    ),
    process: [always, each],
    models: samples
      .filter(({ rows, tokens }) => rows === shown.rows && tokens === shown.tokens)
      .map((sample) => ({
        layers: sample.config.layers,
        hiddenSize: sample.config.hiddenSize,
        parameters: toParameters(sample),
        batch: shown,
        rowsPerSecond: Number(((1000 * sample.rows) / sample.step).toPrecision(2)),
        memoryBytes: sample.processBytes,
      }))
      .sort((a, b) => a.parameters - b.parameters),
    program: known.program,
    training: known.training, // bench/trainings.ts
    adapters: known.adapters, // bench/adapters.ts measures them
    checked: known.checked,
  };
  writeFileSync(resolve(import.meta.dirname, '../providers/local/measured.json'), `${JSON.stringify(measured, null, 2)}\n`);
  const rows = samples.map((sample, i) => {
    const { config, step, wasmBytes, processBytes } = sample;
    const toCell = (found: number, computed: number, unit: number): string =>
      `${(found / unit).toFixed(2)} (${(computed / found).toFixed(2)})`;
    return [
      `${config.layers} x ${config.hiddenSize}`,
      `${sample.rows} x ${sample.tokens}`,
      toCell(step, sumProducts(work[i]!, measured.work), 1000),
      toCell(wasmBytes, sumProducts(memory[i]!, measured.wasm), 1e9),
      toCell(processBytes, sumProducts(memory[i]!, measured.wasm) + always + each * toParameters(sample), 1e9),
    ];
  });
  const head = ['model', 'rows x tokens', 'step, s (formula / measured)', 'WebAssembly, GB', 'process, GB'];
  return `Steps of models with ${createShape(2, 128).vocabSize} tokens, in time of one core.\n\n${toTable([head, ...rows])}`;
}

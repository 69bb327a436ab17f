/**
 * What training an adapter costs on this machine, beside training all parameters: measures steps, and fits the constants of
 * providers/local/estimate.ts for each kind of adapter. Six shapes are not used to fit, and say how good the predictions are.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { countMemory, predictMemory, type AdapterConstants, type Measured } from '../providers/local/needs.ts';
import type { AdapterSettings } from '../src/trainer/protocol.ts';
import { toMedian } from './interleave.ts';
import { toTable } from './markdown.ts';
import type { ModelMeasures, ModelTask } from './measure-model.ts';
import { fitConstants } from './models.ts';
import { createShape } from './shapes.ts';

type Kind = 'full' | AdapterSettings['type'];
type Shape = readonly [layers: number, hidden: number, rows: number, tokens: number];

const settings: Readonly<Record<Kind, AdapterSettings | undefined>> = {
  full: undefined,
  head: { type: 'head' },
  lora: { type: 'lora', rank: 8, alpha: 16, dropout: 0.05, targets: null, rankStabilized: false },
};

const fitted: readonly Shape[] = [
  [2, 128, 16, 32],
  [2, 128, 64, 64],
  [4, 256, 16, 32],
  [4, 256, 16, 128],
  [6, 384, 16, 32],
  [3, 384, 8, 128],
  [6, 384, 8, 64],
];

const checked: readonly (readonly [Kind, ...Shape])[] = [
  ['lora', 3, 256, 24, 96],
  ['lora', 4, 384, 12, 48],
  ['head', 3, 256, 24, 96],
  ['head', 2, 256, 32, 32],
  ['full', 4, 384, 12, 48],
  ['full', 3, 128, 48, 128],
];

type Sample = ModelTask & ModelMeasures & { readonly kind: Kind };

/** One process a shape, so that its memory is that of the shape. A file of samples that were taken before saves their time. */
function takeSamples(scratch: string): Sample[] {
  const known = process.env['BENCH_SAMPLES'];
  const path = known ?? join(scratch, 'samples.jsonl');
  const asked = [...(['lora', 'head'] as const).flatMap((kind) => fitted.map((shape) => [kind, ...shape] as const)), ...checked];
  for (const [kind, layers, hidden, rows, tokens] of known === undefined ? asked : []) {
    const { [kind]: adapter } = settings;
    const task: ModelTask = { config: createShape(layers, hidden), rows, tokens, steps: 2, ...(adapter && { adapter }) };
    const args = [resolve(import.meta.dirname, 'measure-model.ts'), JSON.stringify(task)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${kind}, ${layers} x ${hidden}, ${rows} x ${tokens}: ${stderr}`);
    writeFileSync(path, `${JSON.stringify({ ...task, ...(JSON.parse(stdout) as ModelMeasures), kind })}\n`, { flag: 'a' });
  }
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Sample);
}

function isChecked({ kind, config, rows, tokens }: Sample): boolean {
  return checked.some((one) => one.join() === [kind, config.layers, config.hiddenSize, rows, tokens].join());
}

function fit(samples: readonly Sample[]): AdapterConstants {
  const counts = samples.map((sample) => countMemory(sample.config, sample));
  return {
    step: Number(toMedian(samples.map(({ step, forward }) => step / forward)).toPrecision(3)),
    wasm: fitConstants(
      counts,
      samples.map(({ wasmBytes }) => wasmBytes),
    ),
    memory: fitConstants(
      counts,
      samples.map(({ processBytes }) => processBytes),
    ),
  };
}

export async function measureAdapters(scratch: string): Promise<string> {
  const samples = await Promise.resolve(takeSamples(scratch));
  const path = resolve(import.meta.dirname, '../providers/local/measured.json');
  const known = JSON.parse(readFileSync(path, 'utf8')) as Measured;
  const ofKind = (kind: Kind): AdapterConstants => fit(samples.filter((sample) => sample.kind === kind && !isChecked(sample)));
  const measured: Measured = {
    ...known,
    adapters: { lora: ofKind('lora'), head: ofKind('head') },
    checked: samples.filter(isChecked).map(({ kind, config, rows, tokens, processBytes }) => {
      return { kind, layers: config.layers, hiddenSize: config.hiddenSize, batch: { rows, tokens }, memoryBytes: processBytes };
    }),
  };
  writeFileSync(path, `${JSON.stringify(measured, null, 2)}\n`);
  const rows = samples.map((sample) => {
    const { kind, config, processBytes, step, forward } = sample;
    const { memoryBytes } = predictMemory(config, sample, { kind, measured });
    const cells = [kind, `${config.layers} x ${config.hiddenSize}`, `${sample.rows} x ${sample.tokens}`, (step / forward).toFixed(2)];
    return [...cells, (processBytes / 1e9).toFixed(2), (memoryBytes / processBytes).toFixed(2), isChecked(sample) ? 'no' : 'yes'];
  });
  const head = ['trained', 'model', 'rows x tokens', 'step / forward', 'process, GB', 'formula / measured', 'used to fit'];
  return toTable([head, ...rows]);
}

/**
 * Whole trainings beside what their plan said of them: the real commands on models of shapes that no constant of a step was fitted to. Short
 * ones: the most memory is needed within the first steps. `npm run bench -- trainings`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { toNormals, toStreamKey } from '../src/lib/random.ts';
import { getFamily } from '../src/trainer/families/index.ts';
import type { ModelConfig } from '../src/trainer/model-folder.ts';
import { writeSafetensors } from '../src/trainer/safetensors.ts';
import { toTable } from './markdown.ts';
import { createShape } from './shapes.ts';

const project = resolve(import.meta.dirname, '..');
const command = join(project, 'bin/orchestrate.js');

interface Training {
  readonly name: string;
  readonly config: ModelConfig;
  /** Fields of a job's `training`. */
  readonly training: object;
  /** Fields of the target's `options`. */
  readonly options?: object;
  readonly isValidated?: boolean;
}

/** A family has fields of its own beside the common ones: they come from its defaults. */
function createConfig(family: string, layers: number, hiddenSize: number, maxPositions = 512): ModelConfig {
  const common = { ...createShape(layers, hiddenSize), family, maxPositions };
  const json = getFamily({ family }).buildConfigJson({ ...common, normEpsilon: 1e-5, embeddingSize: hiddenSize } as ModelConfig);
  return getFamily({ family }).parseConfig(JSON.parse(JSON.stringify(json)) as Record<string, unknown>, family);
}

const trainings: readonly Training[] = [
  { name: 'all, 3 x 256', config: createConfig('bert', 3, 256), training: { batchSize: 16, maxLength: 64 } },
  { name: 'all, 5 x 384, best epoch', config: createConfig('bert', 5, 384), training: { batchSize: 8, maxLength: 128, select: 'best' }, isValidated: true }, // prettier-ignore
  { name: 'all, 2 x 512, in parts', config: createConfig('bert', 2, 512), training: { batchSize: 32, maxLength: 96 }, options: { microBatchSize: 8 } }, // prettier-ignore
  {
    name: 'LoRA, 8 x 256',
    config: createConfig('bert', 8, 256),
    training: { batchSize: 16, maxLength: 96, adapter: { type: 'lora', rank: 8 } },
  },
  { name: 'head, 5 x 384', config: createConfig('bert', 5, 384), training: { batchSize: 32, maxLength: 64, adapter: { type: 'head' } } },
  { name: 'all, DistilBERT 4 x 320', config: createConfig('distilbert', 4, 320), training: { batchSize: 24, maxLength: 64 } },
  { name: 'LoRA, DistilBERT 6 x 384', config: createConfig('distilbert', 6, 384), training: { batchSize: 16, maxLength: 64, adapter: { type: 'lora', rank: 8 } } }, // prettier-ignore
  { name: 'all, two threads, 4 x 384', config: createConfig('bert', 4, 384), training: { batchSize: 16, maxLength: 64 }, options: { threads: 2 } }, // prettier-ignore
];

/** Numbers without meaning; the tokenizer of the fixtures has fewer tokens than such models. */
function writeModel(folder: string, config: ModelConfig): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'])
    cpSync(join(project, 'fixtures/models/tiny-bert', name), join(folder, name));
  const { buildConfigJson, listParameters } = getFamily(config);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(buildConfigJson(config)));
  const tensors = listParameters(config).map(({ name, shape }) => {
    const size = shape.reduce((product, count) => product * count, 1);
    const data = /norm.*weight$/i.test(name) ? new Float32Array(size).fill(1) : toNormals(toStreamKey(1, name), size, 0.02);
    return { name, shape, data };
  });
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

/** 200 rows of the fixtures: trainings of a few steps. */
function writeJob(folder: string, { training, options = {}, isValidated = false }: Training): string {
  const lines = readFileSync(join(project, 'fixtures/sentiment/train.jsonl'), 'utf8').split('\n').slice(0, 240);
  writeFileSync(join(folder, 'train.jsonl'), lines.slice(0, 200).join('\n'));
  writeFileSync(join(folder, 'validation.jsonl'), lines.slice(200).join('\n'));
  const job = {
    version: 1,
    name: 'bench',
    task: 'classification',
    data: { train: './train.jsonl', ...(isValidated && { validation: './validation.jsonl' }) },
    training: { steps: 8, learningRate: 1e-4, ...training },
    targets: { here: { provider: 'local', model: './model', options: { backend: 'wasm', threads: 1, ...options } } },
  };
  writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
  return join(folder, 'job.json');
}

/** Loaded into each process of the command: the trainer leaves its most memory and its processor time in the file. */
const report = `import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
if (isMainThread && process.argv[2] === 'train')
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    appendFileSync(process.env.BENCH_REPORT, JSON.stringify({ bytes: maxRSS * 1024, seconds: (userCPUTime + systemCPUTime) / 1e6 }));
  });`;

interface Measures {
  readonly bytes: number;
  readonly seconds: number;
}

async function measureTraining(folder: string, training: Training): Promise<{ planned: Measures; found: Measures }> {
  writeModel(join(folder, 'model'), training.config);
  const job = writeJob(folder, training);
  const [hook, results] = [join(folder, 'report.mjs'), join(folder, 'report.json')];
  writeFileSync(hook, report);
  const state = ['--dir', join(folder, 'state')];
  const plan = spawnSync(process.execPath, [command, 'plan', job, '--json', ...state], { encoding: 'utf8' });
  if (plan.status !== 0) throw new Error(`${training.name}: ${plan.stdout}${plan.stderr}`);
  const { estimate } = findEstimate(JSON.parse(plan.stdout));
  const env = { ...process.env, NODE_OPTIONS: `--import=${hook}`, BENCH_REPORT: results };
  const child = spawn(process.execPath, [command, 'submit', job, '--wait', '--quiet', ...state], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = (await once(child, 'close')) as [number];
  if (status !== 0) throw new Error(`${training.name}: status ${status}`);
  return {
    planned: { bytes: estimate.memoryBytes, seconds: estimate.seconds },
    found: JSON.parse(readFileSync(results, 'utf8')) as Measures,
  };
}

function findEstimate(plan: unknown): { readonly estimate: { readonly memoryBytes: number; readonly seconds: number } } {
  return (plan as { plans: { estimate: { memoryBytes: number; seconds: number } }[] }).plans[0]!;
}

export async function measureTrainings(scratch: string): Promise<string> {
  const rows = [['trained', 'memory, MB', 'planned / found', 'processor time, s', 'planned / found']];
  for (const [i, training] of trainings.entries()) {
    const folder = join(scratch, String(i));
    mkdirSync(folder);
    const { planned, found } = await measureTraining(folder, training);
    const ratio = (measure: keyof Measures): string => (planned[measure] / found[measure]).toFixed(2);
    rows.push([training.name, (found.bytes / 1e6).toFixed(0), ratio('bytes'), found.seconds.toFixed(1), ratio('seconds')]);
    process.stderr.write(`${rows.at(-1)!.join(' | ')}\n`);
  }
  return `Eight steps each; on two threads the planned time is that of the clock, and the found one that of both processors.\n\n${toTable(rows)}`;
}

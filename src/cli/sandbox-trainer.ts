import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Metric } from '../provider/metric.ts';
import { createOrchestrator, type Orchestrator } from '../orchestrator.ts';
import type { Figures, JobTask, TrainedModel, TrainingTask, TrainModel } from '../sandbox/main.ts';

/**
 * Trains the sandbox's classifiers with the trainer of this machine, in a folder that is gone afterwards. The model `baseFolder` stands in
 * for base models whose weights the sandbox does not have.
 */
export function createSandboxTrainer(baseFolder: string): TrainModel {
  return async (training) => {
    const folder = await mkdtemp(join(tmpdir(), 'orchestrate-sandbox-'));
    try {
      const base = training.base === null ? baseFolder : join(folder, 'base');
      if (training.base !== null) await writeFiles(base, training.base);
      await writeFile(join(folder, 'train.jsonl'), training.rows.train);
      if (training.rows.validation !== null) await writeFile(join(folder, 'validation.jsonl'), training.rows.validation);
      await writeFile(join(folder, 'job.json'), JSON.stringify(buildJobFile(training, base)));
      await using orchestrator = await createOrchestrator({ dir: join(folder, 'state'), environment: {} });
      return await train(orchestrator, join(folder, 'job.json'), training.signal);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

async function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
}

const jobName = 'sandbox';

function buildJobFile({ task, rows }: TrainingTask, base: string): object {
  const { textColumn: text, labelColumn: label = 'label', pairColumn } = task.dataset;
  const validation = rows.validation === null ? {} : { validation: './validation.jsonl' };
  const columns = { text, label, ...(pairColumn === undefined ? {} : { text2: pairColumn }) };
  return {
    version: 1,
    name: jobName,
    task: 'classification',
    data: { train: './train.jsonl', ...validation, columns },
    training: buildTraining(task, rows.validation !== null),
    targets: { local: { provider: 'local', model: base } },
  };
}

/** The settings that AutoTrain and transformers know by other names; what the task does not say, the trainer's own defaults decide. */
function buildTraining({ parameters, maxLength, engine }: JobTask, hasValidation: boolean): object {
  const number = (...names: readonly string[]): number | undefined =>
    names.map((name) => parameters[name]).find((value): value is number => typeof value === 'number' && value >= 0);
  const rows = number('batch_size', 'per_device_train_batch_size');
  const steps = number('max_steps');
  const schedule = parameters['scheduler'] ?? parameters['lr_scheduler_type'];
  const patience = number('early_stopping_patience');
  const by = parameters['metric_for_best_model'] === 'eval_accuracy' ? 'measure' : 'loss';
  const isBest = hasValidation && (engine === 'autotrain' || parameters['load_best_model_at_end'] === true);
  return {
    ...(steps === undefined ? { epochs: number('epochs', 'num_train_epochs') } : { steps }),
    batchSize: rows === undefined ? undefined : rows * (number('gradient_accumulation', 'gradient_accumulation_steps') ?? 1),
    learningRate: number('lr', 'learning_rate'),
    schedule: schedule === 'cosine' ? 'cosine' : String(schedule).startsWith('constant') ? 'constant' : 'linear',
    warmupRatio: number('warmup_ratio'),
    weightDecay: number('weight_decay'),
    maxGradNorm: number('max_grad_norm'),
    select: isBest ? 'best' : 'last',
    earlyStopping: hasValidation && patience !== undefined ? { patience, minDelta: number('early_stopping_threshold'), by } : undefined,
    maxLength,
    seed: number('seed'),
  };
}

async function train(orchestrator: Orchestrator, jobPath: string, signal: AbortSignal): Promise<TrainedModel> {
  signal.throwIfAborted();
  await orchestrator.submit(await orchestrator.load(jobPath));
  const run = orchestrator.run(jobName);
  const stop = (): void => void run.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const [view] = await orchestrator.wait([jobName]);
  signal.removeEventListener('abort', stop);
  if (view?.ok !== true) throw new Error(view?.failure?.message ?? `the training is ${view?.status.phase ?? 'gone'}`);
  const folder = fileURLToPath(view.outputs.find(({ kind }) => kind === 'folder')?.uri ?? '');
  return { files: await readFiles(folder), figures: buildFigures(await run.metrics()) };
}

async function readFiles(folder: string): Promise<Map<string, Uint8Array>> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  return new Map(await Promise.all(entries.map(async ({ name }) => [basename(name), await readFile(join(folder, name))] as const)));
}

/** Metrics as transformers prints them: one line a step, `eval_` before those of the validation. */
function buildFigures(metrics: readonly Metric[]): Figures[] {
  const figures = new Map<string, { step: number; values: Record<string, number> }>();
  for (const { split, name, step, epoch, value } of metrics) {
    if (step === null) continue;
    const key = `${split} ${step}`;
    const figure = figures.get(key) ?? { step, values: {} };
    figure.values[split === 'train' ? name : `eval_${name}`] = value;
    if (epoch !== null) figure.values['epoch'] = epoch;
    figures.set(key, figure);
  }
  const steps = Math.max(1, ...[...figures.values()].map(({ step }) => step));
  return [...figures.values()]
    .sort((a, b) => a.step - b.step || getRank(a.values) - getRank(b.values))
    .map(({ step, values }) => ({ step, steps, values: putEpochLast(values) }));
}

/** A validation comes after the step that it follows. */
function getRank(values: Readonly<Record<string, number>>): number {
  return 'eval_loss' in values ? 1 : 0;
}

function putEpochLast({ epoch, ...values }: Record<string, number>): Record<string, number> {
  return epoch === undefined ? values : { ...values, epoch };
}

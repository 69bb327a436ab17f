/** The sample job and training steps beside PyTorch and transformers' Trainer, where this machine has them. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { installPackage } from './installed.ts';
import { interleave, type Sample, type Samples } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import type { ModelMeasures, ModelTask } from './measure-model.ts';
import { watchProcesses } from './processes.ts';
import { batchSize, shapes, tokens } from './shapes.ts';

const project = resolve(import.meta.dirname, '..');
const [script, measureModel] = ['pytorch.py', 'measure-model.ts'].map((name) => join(import.meta.dirname, name)) as [string, string];

/** Rounds of each comparison: one of the jobs takes minutes. */
const rounds = Number(process.env['ROUNDS'] ?? 3);

const missing = 'Not measured: set PYTHON to a Python that has torch, transformers and accelerate.';

export async function measureStepBesidePyTorch(): Promise<string> {
  const python = process.env['PYTHON'];
  if (python === undefined) return missing;
  const rows: string[][] = [['model', 'PyTorch, ms', 'orchestrate, ms', 'ratio', 'PyTorch, MB', 'orchestrate, MB', 'ratio']];
  for (const [name, config] of Object.entries(shapes)) {
    const task = JSON.stringify({ config, rows: batchSize, tokens, steps: config.layers > 2 ? 6 : 80 } satisfies ModelTask);
    const measure = async (command: readonly [string, ...string[]]): Promise<Sample> => {
      const { printed, memory } = await run(command);
      return tell({ step: (JSON.parse(printed) as Pick<ModelMeasures, 'meanStep'>).meanStep, memory }, command);
    };
    const found = await interleave(
      { theirs: () => measure([python, script, 'step', task]), ours: () => measure([process.execPath, measureModel, task]) },
      { warmUps: 0, rounds },
    );
    const pair = (measure: string): string[] => toPair(found.theirs[measure]!, found.ours[measure]!);
    rows.push([name, ...pair('step'), ...pair('memory')]);
  }
  const what = `One training step of ${batchSize} x ${tokens} tokens in processor time, PyTorch on one thread, and the peak memory of the process.`;
  return `${what}\n\n${toTable(rows)}`;
}

function toPair(theirs: readonly number[], ours: readonly number[]): string[] {
  return [toSpread(theirs), toSpread(ours), toRatio(ours, theirs)];
}

export async function measureJobBesideTrainer(scratch: string): Promise<string> {
  const python = process.env['PYTHON'];
  if (python === undefined) return missing;
  const { command, env } = installPackage(scratch);
  const [train, test] = ['train', 'test'].map((name) => join(project, `fixtures/sentiment/${name}.jsonl`)) as [string, string];
  const model = join(project, 'fixtures/models/tiny-bert');
  const folder = (): string => mkdtempSync(join(scratch, 'job-'));
  const theirs = (...options: string[]) => takeSample(() => run([python, script, 'job', model, train, test, folder(), ...options]));
  const job = join(project, 'fixtures/sentiment/job.json');
  const found = await interleave(
    {
      orchestrate: () => takeSample(() => run([process.execPath, command, 'submit', job, '--wait', '--quiet', '--dir', folder()], env)),
      'Trainer, 2 threads': () => theirs('--threads', '2'),
      'Trainer, 2 threads, group_by_length': () => theirs('--threads', '2', '--group'),
      'Trainer, 1 thread': () => theirs('--threads', '1'),
      'Trainer, 1 thread, group_by_length': () => theirs('--threads', '1', '--group'),
    },
    { warmUps: 0, rounds },
  );
  const ours = found.orchestrate;
  const toRow = ([name, samples]: [string, Samples]): string[] => [
    name,
    ...['wall', 'processor', 'memory'].flatMap((measure) => [toSpread(samples[measure]!), toRatio(ours[measure]!, samples[measure]!)]),
  ];
  const head = ['command', 'wall, s', 'ours / theirs', 'processor, s', 'ours / theirs', 'memory, MB', 'ours / theirs'];
  const versions = execFileSync(python, ['-c', 'import torch, transformers; print(torch.__version__, transformers.__version__)'], {
    encoding: 'utf8',
  });
  const [torch, transformers] = versions.trim().split(' ');
  return [
    `The sample job from the command to its end: torch ${torch}, transformers ${transformers}; load of the machine ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')}.`,
    toTable([head, ...Object.entries<Samples>(found).map(toRow)]),
  ].join('\n\n');
}

async function takeSample(work: () => Promise<{ processor: number; memory: number }>): Promise<Sample> {
  const began = performance.now();
  const { processor, memory } = await work();
  return tell({ wall: (performance.now() - began) / 1000, processor, memory }, []);
}

/** A round takes long: each sample is shown at once. */
function tell(sample: Sample, command: readonly string[]): Sample {
  console.error(JSON.stringify(sample), command.join(' ').slice(0, 80));
  return sample;
}

/**
 * What a command prints, the processor time of it and its descendants in seconds, and the most memory that they had together in MB.
 * @throws Error where it fails
 */
async function run(
  [command, ...args]: readonly [string, ...string[]],
  env = process.env,
): Promise<{ printed: string; processor: number; memory: number }> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [printed, said] = [child.stdout, child.stderr].map((stream) => {
    const parts: string[] = [];
    stream.setEncoding('utf8').on('data', (text: string) => parts.push(text));
    return parts;
  }) as [string[], string[]];
  const watch = watchProcesses(child.pid!);
  const [status] = (await once(child, 'close')) as [number | null];
  const { processes, peak } = watch.stop();
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${said.join('')}`);
  const processor = [...processes.values()].reduce((sum, one) => sum + one.processor, 0);
  return { printed: printed.join('').trim().split('\n').at(-1)!, processor, memory: peak };
}

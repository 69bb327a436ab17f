/** Kills real processes of the trainer and checks what they leave. Problems are texts; an empty list is good. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toStreamKey, toUint32, toUniform } from '../../src/lib/random.ts';
import type { BackendName } from '../../src/trainer/backends/index.ts';
import type { AdapterSettings } from '../../src/trainer/protocol.ts';
import { loadNumbered } from './numbered-checkpoint.ts';
import { readEvents, toFigures, writeRunFolder, writeSmallModel } from './small-training.ts';
import { tinyBert } from './tiny-classifier.ts';

const trainer = join(import.meta.dirname, '../../src/trainer/main.ts');
const writer = join(import.meta.dirname, 'write-checkpoints.ts');

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function toEnd(child: ChildProcess): Promise<string> {
  const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal ?? `status ${status}`;
}

export interface Kills {
  readonly kills: number;
  readonly problems: readonly string[];
}

/**
 * Kills a process that writes checkpoints, each time at a random moment of its writing: afterwards a whole checkpoint must load, and
 * not an older one than the last one that the process acknowledged. Ends after `count` kills, or when the time is over.
 */
export async function killWriters(count: number, { seed, withinMs }: { seed: number; withinMs: number }): Promise<Kills> {
  const root = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const folder = join(root, 'checkpoints');
  const bytes = 20_000;
  const problems: string[] = [];
  const deadline = performance.now() + withinMs;
  let kills = 0;
  for (; kills < count && performance.now() < deadline; kills++) {
    const child = start([writer, folder, String(bytes)]);
    const ended = toEnd(child);
    let printed = '';
    child.stdout!.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    await once(child.stdout!, 'data');
    await sleep(15 * toUniform(toStreamKey(seed, 'writer'), kills)); // a checkpoint of this size takes a few milliseconds
    child.kill('SIGKILL');
    if ((await ended) !== 'SIGKILL') problems.push(`kill ${kills}: the writer ended by itself`);
    const acknowledged = Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
    try {
      const { step, skipped } = loadNumbered(folder, bytes);
      if (step < acknowledged) problems.push(`kill ${kills}: step ${acknowledged} was written, step ${step} is there`);
      problems.push(...skipped.map((reason) => `kill ${kills}: ${reason}`));
    } catch (error) {
      problems.push(`kill ${kills}: ${String(error)}`);
    }
  }
  rmSync(root, { recursive: true });
  return { kills, problems };
}

/** Resolves when the events of the trainer reach this step, or when it has ended. */
async function untilStep(folder: string, step: number, ended: Promise<string>): Promise<void> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  const path = join(folder, 'events.jsonl');
  while (!isOver && !(existsSync(path) && readFileSync(path, 'utf8').includes(`"step":${step},`))) await sleep(1);
}

function toModelBytes(folder: string): Buffer[] {
  const names = ['model.safetensors', 'config.json', 'README.md', 'adapter/adapter_model.safetensors', 'adapter/adapter_config.json'];
  return names.map((name) => join(folder, 'model', name)).flatMap((path) => (existsSync(path) ? [readFileSync(path)] : []));
}

/**
 * Kills a training `count` times, at steps all over it, and starts it again each time: its model and every figure in
 * its events must be those of a training that nobody killed. `large` takes a real small model, else it is a tiny one.
 */
export async function killTraining(
  count: number,
  {
    seed,
    backend,
    large,
    threads = 1,
    adapter,
  }: { seed: number; backend: BackendName; large: boolean; threads?: number; adapter?: AdapterSettings },
): Promise<Kills> {
  const root = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const [whole, killed, small] = ['whole', 'killed', 'small'].map((name) => join(root, name)) as [string, string, string];
  writeSmallModel(small);
  const steps = large ? 60 : 600; // the tiny model's are short: the next kill would come too late
  const training = large ? { learningRate: 5e-4, checkpointSteps: 5 } : { steps, checkpointSteps: 40 };
  writeRunFolder(whole, large ? tinyBert : small, { file: { backend, threads }, training: { ...training, ...(adapter && { adapter }) } });
  cpSync(whole, killed, { recursive: true });
  const problems: string[] = [];
  const end = await toEnd(start([trainer, 'train', whole]));
  if (end !== 'status 0') problems.push(`the training ended with ${end}`);

  let kills = 0;
  for (let i = 0; i < count; i++) {
    const child = start([trainer, 'train', killed]);
    const ended = toEnd(child);
    const part = (0.8 * steps) / count;
    const step = 1 + Math.floor(part * i + part * toUniform(toStreamKey(seed, 'trainer'), i));
    await untilStep(killed, step, ended);
    await sleep(toUint32(toStreamKey(seed, 'moment'), i) % 8);
    child.kill('SIGKILL');
    if ((await ended) !== 'SIGKILL') break; // it was faster
    kills++;
  }
  const last = await toEnd(start([trainer, 'train', killed]));
  if (last !== 'status 0' && last !== 'status 75') problems.push(`the last trainer ended with ${last}`);
  const [expected, found] = [whole, killed].map((folder) => ({ model: toModelBytes(folder), figures: toFigures(readEvents(folder)) }));
  if (expected!.model.length !== (adapter?.type === 'lora' ? 5 : 3)) problems.push(`${backend}: the model has other files`);
  if (!expected!.model.every((bytes, i) => found!.model[i]?.equals(bytes) === true)) problems.push(`${backend}: the model has other bytes`);
  if (JSON.stringify(found!.figures) !== JSON.stringify(expected!.figures)) problems.push(`${backend}: the events have other figures`);
  if (existsSync(join(killed, 'checkpoints'))) problems.push(`${backend}: the checkpoints are still there`);
  rmSync(root, { recursive: true });
  return { kills, problems };
}

/** The main job from the command to the verdict, by part, as the times that it stores tell; seen from outside. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TrainerEvent } from '../src/trainer/protocol.ts';
import { installPackage, type Installed } from './installed.ts';
import { interleave, type Sample } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import { watchProcesses } from './processes.ts';

const job = resolve(import.meta.dirname, '../fixtures/sentiment/job.json');

export async function measureJob(scratch: string): Promise<string> {
  const installed = installPackage(scratch);
  const { command } = await interleave({ command: async () => await runJob(installed, scratch) }, { warmUps: 1, rounds: 3 });
  const isMemory = (measure: string): boolean => measure.startsWith('memory of ');
  const times = Object.entries(command).filter(([measure]) => !isMemory(measure));
  const memory = Object.entries(command).filter(([measure]) => isMemory(measure));
  return [
    '`orchestrate submit fixtures/sentiment/job.json --wait` in an empty folder, the installed package.',
    toTable([['part', 'ms', 'share'], ...times.map(([name, ms]) => [name, toSpread(ms), toRatio(ms, command['total']!)])]),
    toTable([['process', 'peak memory, MB'], ...memory.map(([name, mb]) => [name.replace('memory of ', ''), toSpread(mb)])]),
  ].join('\n\n');
}

async function runJob(installed: Installed, scratch: string): Promise<Sample> {
  const dir = mkdtempSync(join(scratch, 'state-'));
  const begun = Date.now();
  const memory = await runCommand(installed, ['submit', job, '--wait', '--quiet', '--dir', dir]);
  const ended = Date.now();
  const compared = performance.now();
  await runCommand(installed, ['compare', 'sentiment', '--dir', dir]); // all answers are known by now
  const comparison = performance.now() - compared;
  const [accepted, intended] = readEventTimes(dir, ['run-accepted', 'submission-intended']);
  const [started, read, stepped, finished] = readTrainerTimes(dir, ['trainer-started', 'data-read', 'step-finished', 'training-finished']);
  return {
    'start of the command, data check and plan': accepted! - begun,
    'rows written for the trainer': intended! - accepted!,
    'start of the trainer': started! - intended!,
    'model, tokenizer and rows read': read! - started!,
    training: stepped! - read!,
    'model saved': finished! - stepped!,
    'held-out rows answered by two models, comparison': ended - finished!,
    total: ended - begun,
    'besides: `compare` again, answers known': comparison,
    ...memory,
  };
}

/** Runs the command to its end and gives the peak memory of each kind of process in MB. @throws Error where it fails */
async function runCommand({ command, env }: Installed, args: readonly string[]): Promise<Sample> {
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const watch = watchProcesses(child.pid!);
  const [status] = (await once(child, 'close')) as [number | null];
  const processes = [...watch.stop().processes.values()];
  if (status !== 0) throw new Error(`orchestrate ${args.join(' ')} ended with ${status}: ${said}`);
  const toPeak = (pattern: RegExp): number =>
    Math.max(...processes.filter(({ args: words }) => pattern.test(words)).map(({ peak }) => peak));
  return {
    'memory of the command': toPeak(/orchestrate\.js/),
    'memory of the trainer': toPeak(/trainer\.js train/),
    'memory of the answering process': toPeak(/trainer\.js predict/),
  };
}

function readEventTimes(dir: string, types: readonly string[]): number[] {
  const store = new DatabaseSync(join(dir, 'state.db'), { readOnly: true });
  const find = store.prepare('select at from event where type = ?');
  const times = types.map((type) => Date.parse((find.get(type) as { at: string }).at));
  store.close();
  return times;
}

/** When the last event of each type was told. */
function readTrainerTimes(dir: string, types: readonly TrainerEvent['type'][]): number[] {
  const [path] = globSync(join(dir, 'runs/*/events.jsonl'));
  const lines = readFileSync(path!, 'utf8').trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as TrainerEvent);
  return types.map((type) => Date.parse(events.findLast((event) => event.type === type)!.at));
}

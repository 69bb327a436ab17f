/*
 * npx node bench/gpu.ts [--backend tensorflow-gpu] [--rounds 3] [--python PATH]: a native backend beside the default one, in turn, as Markdown:
 * parity, a training step of two shapes with its memory, and the main job; with a Python that has torch and transformers also their step. It
 * needs no GPU, and says on which device it was.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { spawnCheck } from '../src/lib/process.ts';
import { defaultBackend, getBackend, isBackendName, type BackendName } from '../src/trainer/backends/index.ts';
import type { CheckAnswer, CheckShape } from '../src/trainer/check-protocol.ts';
import { runParity } from '../test/parity/run-parity.ts';
import { interleave, type Sample } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import { batchSize, shapes, tokens } from './shapes.ts';

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'tensorflow-gpu' },
    rounds: { type: 'string', default: '3' },
    python: { type: 'string' },
  },
});
const { backend, python } = values;
const rounds = Number(values.rounds);
if (!isBackendName(backend)) throw new Error(`no backend: ${backend}`);
const problem = getBackend(backend).check();
if (problem !== null) throw new Error(problem);

/** Steps in a process of their own, so that the memory is theirs. */
async function takeSteps(name: BackendName, shape: CheckShape): Promise<CheckAnswer> {
  const child = spawnCheck(name, { signal: new AbortController().signal, shape });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [printed, said, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  if (status !== 0) throw new Error(`${name}: ${said}`);
  return JSON.parse(printed) as CheckAnswer;
}

async function measureSteps(name: BackendName, shape: CheckShape): Promise<Sample> {
  const { milliseconds, memoryBytes } = await takeSteps(name, shape);
  return { ms: milliseconds, MB: memoryBytes / 1e6 };
}

/** The same step in PyTorch, on its GPU where it has one. */
function measurePython(shape: CheckShape): Sample {
  const printed = execFileSync(python!, [join(import.meta.dirname, 'gpu-step.py'), JSON.stringify(shape)], { encoding: 'utf8' });
  return JSON.parse(printed.trim().split('\n').at(-1)!) as Sample;
}

async function runJob(name: BackendName, scratch: string): Promise<Sample> {
  const args = ['submit', 'fixtures/sentiment/job.json', '--wait', '--quiet', '--dir', mkdtempSync(join(scratch, 'state-'))];
  const began = performance.now();
  const child = spawn(process.execPath, ['bin/orchestrate.js', ...args, '--set', `targets.laptop.options.backend="${name}"`], {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [said, [status]] = await Promise.all([text(child.stderr), ended]);
  if (status !== 0) throw new Error(`the job on ${name}: ${said}`);
  return { s: (performance.now() - began) / 1000 };
}

const print = (line: string): void => console.log(line);
const scratch = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  const { native } = await takeSteps(backend, {
    config: { ...shapes['tiny-bert, 2 x 128']! },
    rows: 4,
    tokens: 8,
    adapter: null,
    threads: 1,
  });
  const device = native === null ? backend : `${native.version}, ${native.device}${native.warning === null ? '' : ` (${native.warning})`}`;
  print(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} processors (${cpus()[0]?.model}), Node ${process.versions.node}; ${device}.`,
  );
  print('Medians (least to most).\n');
  const { checks } = await runParity('fixtures/parity', { backends: [backend] });
  print(`Parity on ${backend}: ${checks.filter(({ passed }) => passed).length} of ${checks.length}.\n`);

  const table: string[][] = [['', backend, defaultBackend, 'ratio', ...(python === undefined ? [] : ['PyTorch', 'ratio to PyTorch'])]];
  for (const [name, config] of Object.entries(shapes)) {
    const shape: CheckShape = { config: { ...config }, rows: batchSize, tokens, adapter: null, threads: 1 };
    const cases: Record<string, () => Sample | Promise<Sample>> = {
      native: async () => await measureSteps(backend, shape),
      own: async () => await measureSteps(defaultBackend, shape),
      ...(python === undefined ? {} : { python: () => measurePython(shape) }),
    };
    const found = await interleave(cases, { warmUps: 0, rounds });
    for (const unit of ['ms', 'MB']) {
      const [ours, other, theirs] = [found['native']![unit]!, found['own']![unit]!, found['python']?.[unit]];
      const beside = theirs === undefined ? [] : [toSpread(theirs), toRatio(ours, theirs)];
      table.push([
        `${name}: ${unit === 'ms' ? 'a step, ms' : 'memory, MB'}`,
        toSpread(ours),
        toSpread(other),
        toRatio(ours, other),
        ...beside,
      ]);
    }
  }
  const job = await interleave(
    { native: async () => await runJob(backend, scratch), own: async () => await runJob(defaultBackend, scratch) },
    { warmUps: 0, rounds },
  );
  table.push([
    'main job, s',
    toSpread(job.native['s']!),
    toSpread(job.own['s']!),
    toRatio(job.native['s']!, job.own['s']!),
    ...(python === undefined ? [] : ['', '']),
  ]);
  print(toTable(table));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

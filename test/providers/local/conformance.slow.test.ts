import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { local } from '../../../providers/local/index.ts';
import { contractTests, type ConformanceEnvironment } from '../../../src/testing/index.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import type { Training } from '../../../src/job/job-spec.ts';
import { readModelFolder } from '../../../src/trainer/model-folder.ts';
import { takeRunLock } from '../../../src/lib/run-lock.ts';
import type { ControlFile, FenceFile } from '../../../src/trainer/protocol.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';
import { testConformance } from '../../testing/test-conformance.ts';

const plan = toMemoryPlan('local');
const path = resolve('fixtures/models/tiny-bert');
const { revision, maxPositions } = readModelFolder(path);
const rows = Array.from({ length: 8 }, (_, i) => ({ text: `the text of row ${i}`, label: i % 2 === 0 ? 'no' : 'yes' }));

function toInput(training: Training, change: Partial<TranslationInput['spec']> = {}): TranslationInput {
  return {
    spec: { ...plan.spec, provider: 'local', model: { kind: 'folder', path }, training: { batchSize: 4, ...training }, ...change },
    facts: plan.facts,
    model: { base: path, revision, maxLength: maxPositions },
    key: plan.key,
  };
}

interface LocalFixture extends ConformanceEnvironment {
  /** Holds the work folder of each run. */
  readonly folder: string;
}

async function createEnvironment(): Promise<LocalFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  return await Promise.resolve({
    provider: local,
    folder,
    toAttempt(key, attempt, signal) {
      const workDir = join(folder, key);
      mkdirSync(workDir, { recursive: true });
      return {
        signal,
        now: () => new Date(),
        wait: async (ms) => await sleep(Math.min(ms, 20), undefined, { signal }), // a start is seen at once, not after settleMs
        setting: () => null,
        credential: () => null,
        key,
        attempt,
        workDir,
        facts: plan.facts,
        async *readRows() {
          yield* await Promise.resolve(rows);
        },
      };
    },
    async close() {
      for (const key of readdirSync(folder)) await stopTrainers(join(folder, key));
      rmSync(folder, { recursive: true });
    },
  });
}

/** Lets no trainer start any more, and waits until one that runs has seen that it is to stop. */
async function stopTrainers(workDir: string): Promise<void> {
  writeFileSync(join(workDir, 'fence.json'), JSON.stringify({ attempt: 99 } satisfies FenceFile));
  writeFileSync(join(workDir, 'control.json'), JSON.stringify({ command: 'cancel' } satisfies ControlFile));
  takeRunLock(join(workDir, 'run.lock.db'), 10_000)?.release();
  await Promise.resolve();
}

function toFileHashes(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.startsWith('run.lock.db'),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
}

const tests = contractTests<LocalFixture>({
  provider: local,
  inputs: {
    base: toInput({ steps: 2 }),
    different: {
      epochs: toInput({ epochs: 1 }),
      'another rate': toInput({ steps: 2, learningRate: 1e-3 }),
      'another backend': toInput({ steps: 2 }, { options: { backend: 'cpu' } }),
      'more checkpoints': toInput({ steps: 2 }, { options: { checkpointSteps: 1 } }),
      'smaller forward passes': toInput({ steps: 2 }, { options: { microBatchSize: 2 } }),
      'another model': { ...toInput({ steps: 2 }), model: { base: path, revision: 'r'.repeat(64), maxLength: maxPositions } },
      'other labels': { ...toInput({ steps: 2 }), facts: { ...plan.facts, labels: ['no', 'other', 'yes'] } },
    },
    same: { 'other tags': toInput({ steps: 2 }, { tags: { team: 'search' } }) },
  },
  createEnvironment,
  ends: {
    succeeded: {},
    failed: { input: toInput({ steps: 9, learningRate: 1e38 }) },
    cancelled: {
      input: toInput({ steps: 100_000 }),
      bring: async ({ toAttempt }, job) => await local.training.cancel!(job, toAttempt(plan.key, 1, new AbortController().signal)),
    },
  },
  failing: {
    'a model that has changed since the plan': async ({ toAttempt }) => {
      const { request } = local.training.translate({
        ...toInput({}),
        model: { base: path, revision: 'r'.repeat(64), maxLength: maxPositions },
      });
      return await local.training.prepare(request, toAttempt(plan.key, 1, new AbortController().signal));
    },
    'a trainer that cannot read its train.json': async ({ toAttempt }) => {
      return await local.training.create({ version: 2 }, toAttempt(plan.key, 1, new AbortController().signal));
    },
  },
  snapshot: async ({ folder }) => {
    for (const key of readdirSync(folder)) takeRunLock(join(folder, key, 'run.lock.db'), 10_000)!.release(); // its last words are not its end
    return await Promise.resolve(toFileHashes(folder));
  },
});

testConformance(tests);

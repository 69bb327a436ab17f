/**
 * `npm run bench [-- PART...]`: measures ratios of this machine and prints them as Markdown. Nothing is held against a bar here:
 * docs/performance.md keeps what was found.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAdapters } from './adapters.ts';
import { measureData } from './data.ts';
import { measureJob } from './job.ts';
import { measureModels } from './models.ts';
import { measureJobBesideTrainer, measureStepBesidePyTorch } from './pytorch.ts';
import { measureStart } from './start.ts';
import { measureStep } from './step.ts';
import { measureThreads } from './threads.ts';
import { measureTrainings } from './trainings.ts';

/** Each gets an empty folder, and gives a part of the page. */
const parts: Readonly<Record<string, (scratch: string) => Promise<string>>> = {
  start: measureStart,
  step: measureStep,
  threads: measureThreads,
  job: measureJob,
  data: measureData,
  models: measureModels,
  'pytorch-step': measureStepBesidePyTorch,
  'pytorch-job': measureJobBesideTrainer,
  adapters: measureAdapters,
  trainings: measureTrainings,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) throw new Error(`expected parts of ${Object.keys(parts).join(', ')}, found ${unknown.join(', ')}`);

const machine = `${cpus().length} processors (${cpus()[0]?.model ?? 'unknown'}, ${process.arch})`;
console.log(`${new Date().toISOString().slice(0, 10)}, ${machine}, Node ${process.versions.node}; medians (least to most).`);
for (const name of asked.length > 0 ? asked : Object.keys(parts)) {
  const scratch = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    console.log(`\n## ${name}\n\n${await parts[name]!(scratch)}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Every family of models beside transformers, both ways: `families.ts --python PATH`. Python makes small random models as save_pretrained writes
 * them, and their figures; we open them, compare, train and save; Python loads what we saved. The last line is "N passed, N failed".
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../src/trainer/engine/train.ts';
import { saveModel } from '../../src/trainer/save-model.ts';
import { computeAllLogits } from '../../src/trainer/tasks/classification/classifier.ts';
import type { Check } from '../parity/check.ts';
import { toErrorCheck } from '../parity/run-parity.ts';
import { settings } from '../trainer/tiny-classifier.ts';
import { checkCase, encodeRows, openCase, readExpected } from '../trainer/families/reference.ts';

const backends: readonly BackendName[] = ['cpu', 'wasm'];

const { values } = parseArgs({ options: { python: { type: 'string' }, only: { type: 'string' }, keep: { type: 'string' } } });

function runPython(...args: string[]): string {
  const { status, stdout, error } = spawnSync(values.python ?? 'python3', [join(import.meta.dirname, 'families.py'), ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw error ?? new Error(`families.py ${args[0]} ended with status ${status}`);
  return stdout;
}

/** Trains the model a little and saves it, as a whole and with an adapter; Python reads the file about it. */
async function trainCase(place: string, backend: BackendName): Promise<void> {
  const tf = await startBackend(backend);
  const expected = readExpected(place);
  const classifier = openCase(tf, join(place, 'model'), expected);
  const rows = encodeRows(classifier, expected).map((row, i) => ({ ...row, label: i % classifier.labels.length }));
  const { optimizer } = createTrainingState(tf, settings, 'process');
  for (let step = 0; step < 3; step++) takeStep(classifier, rows, { ...settings, optimizer, step, learningRate: 1e-2 });
  saveModel(classifier, join(place, `saved-${backend}`), { source: join(place, 'model'), card: '', base: 'base' });
  const told = { folder: `saved-${backend}`, rows: expected.rows, labels: classifier.labels, logits: computeAllLogits(classifier, rows) };
  writeFileSync(join(place, `saved-${backend}.json`), JSON.stringify(told));
  closeNetwork(classifier);
}

async function checkAll(out: string): Promise<Check[]> {
  runPython('make', out, ...(values.only === undefined ? [] : ['--only', values.only]));
  const checks: Check[] = [];
  for (const name of readdirSync(out)) {
    for (const backend of backends) {
      const called = `${name} on ${backend}`;
      try {
        checks.push(...checkCase(await startBackend(backend), join(out, name), called));
        await trainCase(join(out, name), backend);
      } catch (error) {
        checks.push(toErrorCheck(called, error));
      }
    }
  }
  const lines = runPython('check', out)
    .split('\n')
    .filter((line) => line !== '');
  const saved = lines.map((line) => JSON.parse(line) as Check);
  return [...checks, ...saved];
}

const scratch = values.keep ?? mkdtempSync(join(tmpdir(), 'families-'));
const checks = await checkAll(scratch);
if (values.keep === undefined) rmSync(scratch, { recursive: true, force: true });
const failed = checks.filter(({ passed }) => !passed);
for (const { name, found, expected, tolerance } of failed) {
  process.stdout.write(`FAILED ${name}: found ${String(found)}, expected ${String(expected)}, tolerance ${tolerance}\n`);
}
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exitCode = failed.length === 0 && checks.length > 0 ? 0 : 1;

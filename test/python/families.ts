/**
 *     node test/python/families.ts --python PATH
 *
 * Every family of models beside transformers, both ways: it writes small random models, as they are and in parts, in half precision, without
 * a head or with another one; we read and train them as it does. It reads what we saved, as a whole and with an adapter.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend, type BackendName } from '../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import { createTrainingState, takeStep } from '../../src/trainer/engine/train.ts';
import type { AdapterSettings } from '../../src/trainer/protocol.ts';
import { saveModel } from '../../src/trainer/save-model.ts';
import { computeAllLogits } from '../../src/trainer/tasks/classification/classifier.ts';
import { checkCase, encodeRows, openCase, readExpected } from '../trainer/families/reference.ts';
import { settings } from '../trainer/tiny-classifier.ts';
import { openPythonChecks } from './python.ts';

const backends: readonly BackendName[] = ['cpu', 'wasm'];
const lora: AdapterSettings = { type: 'lora', rank: 2, alpha: 4, dropout: 0, targets: ['all-linear'], rankStabilized: false };

/** What families.py says of a folder that we saved. */
interface Answer {
  readonly name: string;
  readonly odd: object;
  readonly labels: readonly string[];
  /** Largest differences. */
  readonly logits: number;
  readonly adapter?: number;
}

/** Sums in another order differ in the last bits. */
const tolerance = 1e-5;

/** Trains the model a little and saves it; families.py reads the file about it. */
async function trainAndSave(place: string, backend: BackendName, adapter: AdapterSettings | null): Promise<void> {
  const tf = await startBackend(backend);
  const expected = readExpected(place);
  const classifier = openCase(tf, join(place, 'model'), { ...expected, adapter });
  const rows = encodeRows(classifier, expected).map((row, i) => ({ ...row, label: i % classifier.labels.length }));
  const { optimizer } = createTrainingState(tf, settings, 'process');
  for (let step = 0; step < 3; step++) takeStep(classifier, rows, { ...settings, optimizer, step, learningRate: 1e-2 });
  const folder = `saved-${backend}${adapter ? '-adapter' : ''}`;
  saveModel(classifier, join(place, folder), { source: join(place, 'model'), card: '', base: 'base' });
  const told = { folder, rows: expected.rows, labels: classifier.labels, logits: computeAllLogits(classifier, rows) };
  // Parameters that were drawn are not those that Python draws: a module that is saved as a whole replaces them.
  writeFileSync(join(place, `${folder}.json`), JSON.stringify({ ...told, base: adapter ? 'model' : null }));
  closeNetwork(classifier);
}

const checks = openPythonChecks('families');
const out = mkdtempSync(join(tmpdir(), 'families-'));
checks.ask('make', out);
for (const name of readdirSync(out).filter((one) => existsSync(join(out, one, 'expected.json')))) {
  for (const backend of backends) {
    const all = checkCase(await startBackend(backend), join(out, name), `${name} on ${backend}`);
    const failed = all.filter(({ passed }) => !passed);
    checks.check(
      `${name} on ${backend}, read: ${all.length} figures`,
      failed.length === 0,
      failed.length === 0 ? 'as in transformers' : failed,
    );
    await trainAndSave(join(out, name), backend, null);
  }
  await trainAndSave(join(out, name), 'wasm', lora);
}
for (const { name, odd, labels, logits, adapter } of checks.ask<Answer[]>('check', out)) {
  checks.check(`${name}: every parameter, and no other`, Object.keys(odd).length === 0, odd);
  checks.check(`${name}: labels`, labels.join() === 'bad,good,neither', labels);
  checks.checkAtMost(`${name}: logits`, logits, tolerance);
  if (adapter !== undefined) checks.checkAtMost(`${name}: logits with the adapter in PEFT`, adapter, tolerance);
}
rmSync(out, { recursive: true, force: true });
checks.end();

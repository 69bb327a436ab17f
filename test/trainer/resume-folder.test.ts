import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { TrainFile } from '../../src/trainer/protocol.ts';
import { runTraining } from '../../src/trainer/run-training.ts';
import { createScratchFolder } from '../scratch.ts';
import { recordDisk } from './checkpoint/recorded-disk.ts';
import { runUntil } from './run-until.ts';
import { readEvents, toFigures, toSmallRows, writeRunFolder, writeSmallModel } from './small-training.ts';

const oldState = join(import.meta.dirname, '../../fixtures/old-state');

interface Training {
  readonly folder: string;
  readonly model: string;
}

async function interrupt(killedAt: number): Promise<Training> {
  const [folder, model] = [createScratchFolder(), join(createScratchFolder(), 'model')];
  writeSmallModel(model);
  writeRunFolder(folder, model);
  await runUntil(folder, killedAt);
  return { folder, model };
}

const train = async ({ folder }: Training): Promise<number> => await runTraining(folder, () => {});
const toTypes = ({ folder }: Training): string[] => readEvents(folder).map(({ type }) => type);
const eventsOf = ({ folder }: Training): string => join(folder, 'events.jsonl');

/** The result of a training that nothing happened to. */
async function toExpected(): Promise<{ figures: unknown[]; model: Buffer }> {
  const { folder } = await interrupt(1);
  rmSync(join(folder, 'events.jsonl'));
  expect(await runTraining(folder, () => {})).toBe(0);
  return { figures: toFigures(readEvents(folder)), model: readFileSync(join(folder, 'model/model.safetensors')) };
}
let expected: ReturnType<typeof toExpected> | undefined;

async function expectSameEnd(training: Training): Promise<void> {
  expect(await train(training)).toBe(0);
  const { figures, model } = await (expected ??= toExpected());
  expect(toFigures(readEvents(training.folder))).toEqual(figures);
  expect(readFileSync(join(training.folder, 'model/model.safetensors')).equals(model)).toBe(true);
  expect(existsSync(join(training.folder, 'checkpoints'))).toBe(false);
}

test('an event that was written once is not written again, and the model card has all epochs', async () => {
  const training = await interrupt(30);
  await expectSameEnd(training);
  expect(toTypes(training).filter((type) => type === 'data-read')).toHaveLength(1);
  expect(toTypes(training).slice(-2)).toEqual(['model-written', 'training-finished']);
  expect(readFileSync(join(training.folder, 'model/README.md'), 'utf8').match(/^\| \d+ \| \d+ \|/gm)).toHaveLength(15);
});

test('a training that ends early does so at the same step after an interruption, with the same bits, and says it once', async () => {
  const run = async (...killedAt: number[]): Promise<{ folder: string; card: string; weights: Buffer }> => {
    const [folder, model] = [createScratchFolder(), join(createScratchFolder(), 'model')];
    writeSmallModel(model);
    writeRunFolder(folder, model, { training: { earlyStopping: { patience: 2, minDelta: 0, by: 'loss' }, learningRate: 0.05 } });
    for (const step of killedAt) await runUntil(folder, step);
    expect(await runTraining(folder, () => {})).toBe(0);
    const [card, weights] = ['README.md', 'model.safetensors'].map((name) => readFileSync(join(folder, 'model', name)));
    return { folder, card: card!.toString(), weights: weights! };
  };
  const whole = await run();
  const events = readEvents(whole.folder);
  const end = events.find((event) => event.type === 'training-ended-early')!;
  expect(end).toMatchObject({ steps: 60, best: end.step - 2 * 4, patience: 2, by: 'loss' });
  expect(end.step).toBeLessThan(60);
  expect(events.slice(-3)).toMatchObject([
    { type: 'training-ended-early', step: end.step },
    { type: 'model-written', folder: 'model', step: end.best },
    { type: 'training-finished', step: end.step },
  ]);
  expect(whole.card).toContain('| early stopping | after 2 validations whose loss is not better by more than 0 |');
  expect(whole.card).not.toContain('did not reach its end');
  for (const killedAt of [[end.step - 5, end.step - 1], [end.step]]) {
    const resumed = await run(...killedAt);
    expect(toFigures(readEvents(resumed.folder))).toEqual(toFigures(events));
    expect(readEvents(resumed.folder).filter(({ type }) => type === 'training-ended-early')).toHaveLength(1);
    expect(resumed.weights.equals(whole.weights)).toBe(true);
  }
});

test('a training that has ended is left alone', async () => {
  const training = await interrupt(59);
  expect(await train(training)).toBe(0);
  const before = readFileSync(eventsOf(training), 'utf8');
  expect(await train(training)).toBe(75);
  expect(readFileSync(eventsOf(training), 'utf8')).toBe(before);
});

test.each<[string, (training: Training) => void, RegExp]>([
  ['settings', ({ folder, model }) => writeRunFolder(folder, model, { training: { learningRate: 0.01 } }), /another training settings$/],
  ['rows', ({ folder, model }) => writeRunFolder(folder, model, { rows: toSmallRows(23) }), /another rows$/],
  ['model', ({ model }) => appendFileSync(join(model, 'tokenizer_config.json'), '\n'), /another model$/],
])('a checkpoint of other %s is refused', async (_what, change, message) => {
  const training = await interrupt(10);
  change(training);
  expect(await train(training)).toBe(1);
  const failed = readEvents(training.folder).at(-1)!;
  expect(failed).toMatchObject({ type: 'training-failed', code: 'configuration-invalid' });
  expect(failed).toHaveProperty('message', expect.stringMatching(message));
});

test('how often checkpoints are written, and the folder of the model, may change', async () => {
  const training = await interrupt(10);
  const moved = join(createScratchFolder(), 'moved');
  cpSync(training.model, moved, { recursive: true });
  writeRunFolder(training.folder, moved, { training: { checkpointSteps: null } });
  await expectSameEnd(training);
  expect(readEvents(training.folder)).toContainEqual(expect.objectContaining({ type: 'training-resumed', step: 7 }));
});

test('a checkpoint that is not whole is passed over, and the one before it is used', async () => {
  const training = await interrupt(30);
  const weights = join(training.folder, 'checkpoints/step-00000028/weights.safetensors');
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  await expectSameEnd(training);
  const events = readEvents(training.folder);
  expect(events).toContainEqual(expect.objectContaining({ type: 'training-resumed', step: 21 }));
  const skipped = events.filter((event) => event.type === 'checkpoint-skipped');
  expect(skipped.map(({ reason }) => reason)).toEqual([expect.stringMatching(/passed over the checkpoint of step 28: .*weights/)]);
});

test('the events say that another version computes', async () => {
  const training = await interrupt(8);
  const folder = join(training.folder, 'checkpoints/step-00000007');
  const [state, manifest] = [join(folder, 'state.json'), join(folder, 'MANIFEST.json')];
  const [before, text] = [readFileSync(state), readFileSync(state, 'utf8').replace(process.version, 'v00.00.0')];
  const toHash = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
  writeFileSync(state, text);
  const sizes = readFileSync(manifest, 'utf8').replace(`"bytes": ${before.length},`, `"bytes": ${Buffer.byteLength(text)},`);
  writeFileSync(manifest, sizes.replace(toHash(before), toHash(text)));
  await expectSameEnd(training);
  const resumed = readEvents(training.folder).find((event) => event.type === 'training-resumed');
  expect(resumed).toMatchObject({ step: 7, changed: `node v00.00.0 became ${process.version}` });
});

test.each<[string, (text: string) => string, number]>([
  ['a line that was not finished', (text) => text.slice(0, -20), 28],
  ['zeros where lines were', (text) => `${text}${'\0'.repeat(100)}\n`, 28],
  ['lines that are gone, after which a checkpoint came', (text) => text.slice(0, text.indexOf('"step":25,')), 21],
  ['no line at all', () => '', 0],
])('events.jsonl with %s is mended', async (_what, change, resumedAt) => {
  const training = await interrupt(30);
  writeFileSync(eventsOf(training), change(readFileSync(eventsOf(training), 'utf8')));
  await expectSameEnd(training);
  const resumed = readEvents(training.folder).filter((event) => event.type === 'training-resumed');
  expect(resumed.map(({ step }) => step)).toEqual(resumedAt === 0 ? [] : [resumedAt]);
});

test('a training that the first version began goes on after its checkpoint, to the very model that the first version makes of it', async () => {
  const folder = join(createScratchFolder(), 'run');
  cpSync(join(oldState, 'state/runs/lxuwcccvzfuui77a25mipt54mrykgpux'), folder, { recursive: true });
  const path = join(folder, 'train.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('/tmp/old-state-fixture', join(oldState, 'project')));
  expect(await runTraining(folder, () => {})).toBe(0);
  const events = readEvents(folder);
  const resumed = events.filter((event) => event.type === 'training-resumed');
  expect(resumed.map(({ step }) => step)).toEqual([5]);
  expect(String(resumed[0]!.changed)).not.toContain('kernels'); // there were none: it goes on without
  const sha256 = '512cd787642a268958a0d6a465c51ec695e665934973e499a5d5fe43872dd520';
  expect(events).toContainEqual(expect.objectContaining({ type: 'model-written', folder: 'model', step: 300, sha256 }));
});

test('a training goes on without checkpoints where none can be written, and says so once', async () => {
  const training = await interrupt(3);
  const recording = recordDisk(join(training.folder, 'checkpoints'));
  onTestFinished(recording.stop);
  recording.before = () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  };
  await expectSameEnd(training);
  const skipped = readEvents(training.folder).filter((event) => event.type === 'checkpoint-skipped');
  expect(skipped.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^the training goes on without a new checkpoint: no space left/),
  ]);
});

test('a pause that was requested before the first step holds the training there, and it starts again from there', async () => {
  const training = await interrupt(1);
  rmSync(eventsOf(training));
  const control = join(training.folder, 'control.json');
  writeFileSync(control, '{"command":"pause"}');
  expect(await train(training)).toBe(0);
  expect(readEvents(training.folder).at(-1)).toMatchObject({ type: 'training-paused', step: 0 });
  rmSync(control);
  await expectSameEnd(training);
});

test('train.json says how often checkpoints are written, or leaves it open', async () => {
  const training = await interrupt(1);
  const path = join(training.folder, 'train.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as TrainFile;
  writeFileSync(path, JSON.stringify({ ...file, training: { ...file.training, checkpointSteps: 0 } }));
  expect(await train(training)).toBe(1);
  expect(readEvents(training.folder).at(-1)).toHaveProperty(
    'message',
    expect.stringContaining('training.checkpointSteps: expected a positive whole number, found 0'),
  );
});

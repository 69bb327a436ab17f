import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { toSystemCode } from '../../../src/errors.ts';
import { toStreamKey, toUint32 } from '../../../src/lib/random.ts';
import { checkManifest, getCheckpointName, writeCheckpoint } from '../../../src/trainer/checkpoint/checkpoint-folder.ts';
import { listCheckpoints } from '../../../src/trainer/protocol.ts';
import { createScratchFolder } from '../../scratch.ts';
import { loadNumbered, toNumberedContents } from '../numbered-checkpoint.ts';
import { recordDisk, replayDisk, toVolatile, type Recording } from './recorded-disk.ts';

const bytes = 60;

function write(folder: string, ...steps: number[]): void {
  for (const step of steps) writeCheckpoint(folder, step, toNumberedContents(step, bytes));
}

test('the newest two are kept, and one that is newer than the training is left to be written again', () => {
  const folder = join(createScratchFolder(), 'checkpoints');
  expect(loadNumbered(folder, bytes)).toEqual({ step: 0, skipped: [] });
  write(folder, 7, 14, 21);
  expect(readdirSync(folder)).toEqual(['step-00000014', 'step-00000021']);
  expect(readdirSync(join(folder, 'step-00000021'))).toEqual(expect.arrayContaining(['MANIFEST.json', 'best.safetensors', 'state.json']));
  rmSync(join(folder, 'step-00000021/state.json'));
  expect(loadNumbered(folder, bytes)).toMatchObject({ step: 14, skipped: [expect.stringContaining('state.json')] });
  write(folder, 18);
  expect(listCheckpoints(folder)).toEqual([21, 18, 14]);
  write(folder, 21);
  expect(listCheckpoints(folder)).toEqual([21, 18]);
  expect(loadNumbered(folder, bytes)).toEqual({ step: 21, skipped: [] });
});

test('every byte that is flipped in any file is found, and so is every byte too few or too many', () => {
  const folder = createScratchFolder();
  write(folder, 3);
  const path = join(folder, getCheckpointName(3));
  let flips = 0;
  for (const name of readdirSync(path)) {
    const file = join(path, name);
    const whole = readFileSync(file);
    for (let i = 0; i < whole.length; i++) {
      const altered = Buffer.from(whole);
      altered[i]! ^= 1 << (toUint32(toStreamKey(5, name), i) % 8);
      writeFileSync(file, altered);
      expect(() => checkManifest(path, 3), `${name}, byte ${i}: ${altered[i]}`).toThrow(path);
      flips++;
    }
    truncateSync(file, whole.length - 1);
    expect(() => checkManifest(path, 3), name).toThrow(path);
    writeFileSync(file, Buffer.concat([whole, Buffer.from('\n')]));
    expect(() => checkManifest(path, 3), name).toThrow(path);
    rmSync(file);
    expect(() => checkManifest(path, 3), name).toThrow(path);
    writeFileSync(file, whole);
  }
  expect(flips).toBeGreaterThan(4 * bytes + 500);
  checkManifest(path, 3);
  expect(() => checkManifest(path, 4)).toThrow('the manifest of step 4');
});

test('a manifest cannot name files elsewhere, twice or too few, and cannot be huge', () => {
  const folder = createScratchFolder();
  write(folder, 3);
  const path = join(folder, getCheckpointName(3));
  const file = join(path, 'MANIFEST.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { files: { name: string }[] };
  const check = (text: string): unknown => {
    writeFileSync(file, text);
    return () => checkManifest(path, 3);
  };
  const toText = (files: unknown): string => `${JSON.stringify({ ...manifest, files }, null, 2)}\n`;
  expect(check(toText(manifest.files))).not.toThrow();
  expect(check(toText([...manifest.files, { ...manifest.files[0], name: '../../secret' }]))).toThrow('found another text');
  expect(check(toText([...manifest.files, manifest.files[0]]))).toThrow('found another text');
  expect(check(toText(manifest.files.slice(1)))).toThrow('found another text');
  for (const files of [null, {}, [null, 1], 'x']) expect(check(toText(files))).toThrow('found another text');
  expect(check('[')).toThrow('found another text');
  expect(check(' '.repeat(70_000))).toThrow('expected at most 65536 bytes');
});

function record(root: string): Recording {
  const recording = recordDisk(root);
  onTestFinished(recording.stop);
  return recording;
}

function toFailedCode(act: () => void): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return toSystemCode(error);
  }
}

test('whatever fails while a checkpoint is written, the one before it stays, and the next one can be written', () => {
  const failing = (at: number): boolean => {
    const root = createScratchFolder();
    const folder = join(root, 'checkpoints');
    write(folder, 1, 2);
    const recording = record(root);
    recording.before = (count) => {
      if (count === at) throw Object.assign(new Error('the disk fails'), { code: 'EIO' });
    };
    const code = toFailedCode(() => write(folder, 3));
    recording.stop();
    expect(loadNumbered(folder, bytes).step, `failure ${at}`).toBeGreaterThanOrEqual(2);
    write(folder, 4);
    expect(loadNumbered(folder, bytes)).toEqual({ step: 4, skipped: [] });
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
    return code === 'EIO';
  };
  let points = 1;
  while (failing(points)) points++;
  expect(points).toBeGreaterThan(20);
});

test('whatever of the unflushed a power cut takes, the last checkpoint that was written is there', () => {
  const root = createScratchFolder();
  const recording = record(root);
  const written: [number, number][] = [];
  for (const step of [1, 2, 3]) {
    write(join(root, 'checkpoints'), step);
    written.push([recording.operations.length, step]);
  }
  recording.stop();
  const { operations } = recording;
  const target = join(createScratchFolder(), 'after');
  let cuts = 0;
  for (let count = 1; count <= operations.length; count++) {
    const before = operations.slice(0, count);
    const volatile = toVolatile(before);
    const least = written.findLast(([end]) => end <= count)?.[1] ?? 0;
    const subsets = Math.min(2 ** volatile.length, 8);
    for (let subset = 0; subset < subsets; subset++) {
      // All and none of the unflushed, and what is drawn between them.
      const isLost = (i: number): boolean => (subset < 2 ? subset === 1 : toUint32(toStreamKey(count, subset), i) % 2 === 0);
      replayDisk(before, new Set(volatile.filter(isLost)), target);
      const found = loadNumbered(join(target, 'checkpoints'), bytes);
      expect(found.step, `after operation ${count}, subset ${subset}: ${found.skipped.join()}`).toBeGreaterThanOrEqual(least);
      rmSync(target, { recursive: true });
      cuts++;
    }
  }
  expect(cuts).toBeGreaterThan(300);
});

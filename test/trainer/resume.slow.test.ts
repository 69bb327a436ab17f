import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Backend, BackendName } from '../../src/trainer/backends/index.ts';
import { createScratchFolder } from '../scratch.ts';
import { runUntil, type Left } from './run-until.ts';
import { readEvents, toFigures, writeRunFolder, writeSmallModel } from './small-training.ts';

function toBytes({ m, v }: { m: Float32Array; v: Float32Array }): Buffer {
  return Buffer.concat([m, v].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)));
}

test.each<[BackendName, Backend['memory']]>([
  ['wasm', 'process'],
  ['cpu', 'process'],
  ['cpu', 'device'],
])('%s, memory of the %s: killed after each of its 60 steps, a training ends with the same bytes', async (backend, memory) => {
  const runTo = async (folder: string, killedAt: number): Promise<Left | null> => await runUntil(folder, killedAt, { memory });
  const model = join(createScratchFolder(), 'model');
  writeSmallModel(model);
  const begin = createScratchFolder();
  writeRunFolder(begin, model, { file: { backend } });
  const whole = createScratchFolder();
  cpSync(begin, whole, { recursive: true });
  const expected = (await runTo(whole, 0))!;
  const figures = toFigures(readEvents(whole));
  expect(figures).toHaveLength(60 + 15);
  expect(expected.state.best!.epoch.step).toBeLessThan(60); // so that the kept weights are of use

  const compare = (folder: string, left: Left, killedAt: number): void => {
    const what = `killed after step ${killedAt}`;
    const again = toFigures(left.written);
    expect(again, what).toEqual(figures.slice(figures.length - again.length));
    expect(again.length, what).toBeGreaterThan(60 - killedAt);
    expect(toFigures(readEvents(folder)), what).toEqual(figures); // each once, though steps were taken twice
    for (const [i, [name, bytes]] of expected.weights.entries()) {
      expect(left.weights[i]![0]).toBe(name);
      expect(left.weights[i]![1].equals(bytes), `${what}: weights ${name}`).toBe(true);
      const [before, after] = [expected, left].map(({ state }) => toBytes(state.optimizer.readMoments().get(name)!));
      expect(after!.equals(before!), `${what}: moments ${name}`).toBe(true);
    }
    expect(left.state.evaluations, what).toEqual(expected.state.evaluations);
    expect(left.state.best!.epoch, what).toEqual(expected.state.best!.epoch);
    expect(left.state.optimizer.step, what).toBe(60);
  };
  for (const killedAt of [3, 7, 29, 59]) {
    const folder = createScratchFolder();
    cpSync(begin, folder, { recursive: true });
    expect(await runTo(folder, killedAt)).toBeNull();
    expect(existsSync(join(folder, 'checkpoints'))).toBe(killedAt >= 7);
    compare(folder, (await runTo(folder, 0))!, killedAt);
    const resumed = readEvents(folder).filter((event) => event.type === 'training-resumed');
    expect(resumed.map(({ step, changed }) => [step, changed])).toEqual([[killedAt - (killedAt % 7), null]]);
  }

  const chain = createScratchFolder(); // one training that is killed after each of its steps
  cpSync(begin, chain, { recursive: true });
  for (let killedAt = 1; killedAt < 60; killedAt++) expect(await runTo(chain, killedAt)).toBeNull();
  compare(chain, (await runTo(chain, 0))!, 59);
  expect(readFileSync(join(chain, 'events.jsonl'), 'utf8').split('"training-resumed"')).toHaveLength(60);
});

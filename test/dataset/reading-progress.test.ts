import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { inspectDataset } from '../../src/dataset/inspect.ts';
import { createReadingReport, reportRows, type ReadProgress } from '../../src/dataset/reading-progress.ts';
import { createDataFolder } from './data-folder.ts';

test('what is over in two seconds is not spoken of; then there is a line four times a second', () => {
  const path = createDataFolder()('rows.csv', 'x'.repeat(2_000_000));
  const said: string[] = [];
  let ms = 0;
  const onRead = createReadingReport(
    (text) => said.push(text),
    () => ms,
  );
  for (ms = 0; ms <= 3000; ms += 100) onRead({ path, bytes: 500 * ms, rows: 10 * ms });
  expect(said).toEqual([
    'reading rows.csv: 50 % of 2.0 MB, 20,000 rows',
    'reading rows.csv: 57 % of 2.0 MB, 23,000 rows',
    'reading rows.csv: 65 % of 2.0 MB, 26,000 rows',
    'reading rows.csv: 72 % of 2.0 MB, 29,000 rows',
  ]);
});

test('where the size of the file says nothing about what is left, there is no share', () => {
  const path = createDataFolder()('rows.csv.gz', gzipSync('text'));
  const said: string[] = [];
  let ms = 0;
  const onRead = createReadingReport(
    (text) => said.push(text),
    () => ms,
  );
  ms = 2000;
  onRead({ path, bytes: 1e6, rows: 1 });
  expect(said).toEqual(['reading rows.csv.gz: 1.0 MB, 1 rows']);
});

test('reading tells after each batch how many bytes and rows there were, also in a first look that divides them', async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `text number ${i},${i % 2 === 0 ? 'a' : 'b'}\n`);
  const path = createDataFolder()('rows.csv', `text,label\n${lines.join('')}`);
  const seen: ReadProgress[] = [];
  const sources = { train: [path], validation: null, test: {}, columns: {}, onRead: (progress: ReadProgress) => seen.push(progress) };
  await inspectDataset(sources);
  expect(seen.at(-1)).toEqual({ path, bytes: `text,label\n${lines.join('')}`.length, rows: 5000 });
  const once = seen.length;
  await inspectDataset({ ...sources, testFraction: 0.5 });
  expect(seen.length).toBe(3 * once);
});

test('rows that are gone through come unchanged, and a long way is seen', async () => {
  const said: string[] = [];
  let ms = 0;
  const rows = async function* (): AsyncGenerator<number> {
    for (let i = 0; i < 10_000; i++) {
      ms += 1;
      yield await Promise.resolve(i);
    }
  };
  const all = await Array.fromAsync(reportRows(rows(), { part: 'training', of: 10_000, report: (text) => said.push(text), now: () => ms }));
  expect(all).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect(said).toEqual(['going through the training rows: 40 % of 10,000', 'going through the training rows: 81 % of 10,000']);
});

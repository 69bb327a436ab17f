import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDataset } from '../../src/dataset/check.ts';
import type { Service } from '../../src/dataset/service-rules.ts';
import type { RowTask } from '../../src/dataset/row.ts';
import { createScratchFolder } from '../scratch.ts';

const services: readonly Service[] = ['openai', 'azure', 'together', 'huggingface', 'local'];
const messages = [
  { role: 'user', content: 'a' },
  { role: 'assistant', content: 'b' },
];
const rows: Readonly<Record<RowTask, (i: number) => object>> = {
  classification: (i) => ({ text: `text ${i}`, label: String(i % 2) }),
  'multi-label': (i) => ({ text: `text ${i}`, labels: ['a', 'b'].slice(i % 3) }),
  regression: (i) => ({ text: `text ${i}`, label: i / 2 }),
  chat: (i) => ({ messages, id: i }),
  preference: (i) => ({ prompt: `a ${i}`, chosen: 'b', rejected: 'c' }),
};

test.each<[task: RowTask, refusing: readonly string[]]>([
  ['classification', []],
  ['multi-label', []],
  ['regression', ['openai', 'azure', 'together', 'huggingface']],
  ['chat', ['local']],
  ['preference', ['local']],
])('%s: refused for the services that do not train it', async (task, refusing) => {
  const path = join(createScratchFolder(), 'train.jsonl');
  writeFileSync(path, Array.from({ length: 20 }, (_, i) => `${JSON.stringify(rows[task](i))}\n`).join(''));
  const report = await checkDataset({ train: [path], validation: null, test: {}, columns: {}, task, services });
  expect(report.parts).toMatchObject([{ name: 'train', rows: 20 }]);
  const errors = report.findings.filter(({ severity }) => severity === 'error');
  expect(errors.map(({ code, message }) => [code, message])).toEqual(
    refusing.map((service) => ['target-task', `${service}: does not train the task "${task}"`]),
  );
});

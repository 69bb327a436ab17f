import { expect, test } from 'vitest';
import { formatAccount, formatModels } from '../../src/cli/views/account-view.ts';
import type { ServiceFile, ServiceModel } from '../../src/provider/service.ts';

const base = 'gpt-4.1-mini-2025-04-14';
const told: ServiceModel = {
  name: base,
  kind: 'base',
  createdAt: null,
  end: { date: '2027-01-14', source: 'shutdown_date of GET /models', asOf: null },
};
const known: ServiceModel = {
  ...told,
  createdAt: '2025-04-14T00:00:00.000Z',
  end: { date: '2027-01-14', source: 'a page', asOf: '2026-11-22' },
};

function toLast(model: ServiceModel, day: string): string {
  return formatModels([model], new Date(`${day}T00:00:00Z`))
    .split('\n')
    .at(-1)!;
}

test('a date that was read more than 90 days ago says so; one that the service has just told never does', () => {
  const row = `${base}  base  2025-04-14  2027-01-14  a page, as of 2026-11-22`;
  expect(toLast(known, '2027-02-20')).toBe(row);
  expect(toLast(known, '2027-02-21')).toBe(`${row}; this information is 91 days old and may have changed`);
  expect(toLast(told, '2028-02-21')).toBe(`${base}  base           2027-01-14  shutdown_date of GET /models`);
  expect(toLast({ ...known, end: null }, '2028-02-21')).toBe(`${base}  base  2025-04-14`);
});

const file: ServiceFile = {
  id: 'file-1',
  name: 'rows\u001b[2J.jsonl',
  purpose: 'fine-tune',
  bytes: 12_345,
  createdAt: '2026-11-22T12:00:00.000Z',
  expiresAt: '2026-12-22T12:00:00.000Z',
};
const unknown: ServiceFile = { id: 'file-22', name: null, purpose: null, bytes: null, createdAt: null, expiresAt: null };

test('files stand below jobs and models, with the day on which each will be gone', () => {
  expect(formatAccount({ jobs: [], models: [], files: [file, unknown] }, new Date())).toBe(
    [
      'no jobs',
      '',
      'FILE     PURPOSE     BYTES  CREATED     EXPIRES     NAME',
      'file-1   fine-tune  12,345  2026-11-22  2026-12-22  rows\\x1b[2J.jsonl',
      'file-22',
    ].join('\n'),
  );
});

test('no files are nothing to tell, and no list of them is', () => {
  expect(formatAccount({ jobs: [], models: [], files: [] }, new Date())).toBe('no jobs');
  expect(formatAccount({ jobs: [], models: [], files: null }, new Date())).toBe('no jobs\n\nthe service does not list its files');
});

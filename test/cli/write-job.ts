import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { createScratchFolder } from '../scratch.ts';

export const tinyBert = join(import.meta.dirname, '../../fixtures/models/tiny-bert');

export const twoRows = '{"text": "good", "label": "yes"}\n{"text": "bad", "label": "no"}\n';

interface JobChange {
  /** Name and content of the training file. */
  readonly file?: string;
  readonly rows?: string | Uint8Array;
  readonly validation?: string;
  readonly columns?: object;
  readonly model?: string;
  readonly options?: object;
  readonly provider?: string;
  /** Fields of the job beside those or in the place of them. */
  readonly fields?: object;
  /** The job file's own name and text. */
  readonly name?: string;
  readonly text?: string;
}

/** Writes a job with two training rows, which any field of `change` makes another one, and returns the path of its file. */
export function writeJob(change: JobChange = {}): string {
  const folder = createScratchFolder();
  const { file = 'train.jsonl', rows = twoRows, validation, columns, options, text, name = 'job.json' } = change;
  writeFileSync(join(folder, file), rows);
  if (validation !== undefined) writeFileSync(join(folder, 'validation.jsonl'), validation);
  const job = {
    version: 1,
    name: 'bad',
    task: 'classification',
    data: {
      train: `./${file}`,
      ...(validation === undefined ? {} : { validation: './validation.jsonl' }),
      ...(columns === undefined ? {} : { columns }),
    },
    targets: {
      local: { provider: change.provider ?? 'local', model: change.model ?? tinyBert, ...(options === undefined ? {} : { options }) },
    },
    ...change.fields,
  };
  const path = join(folder, name);
  writeFileSync(path, text ?? JSON.stringify(job));
  return path;
}

/** The state folder holds its database, whole and without a run, its .gitignore, and no file of a submission that failed. */
export function expectNothingLeft(dir: string): void {
  if (!existsSync(dir)) return;
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  expect(names.filter((name) => !name.startsWith('state.db') && name !== '.gitignore')).toEqual([]);
  expect(countRuns(join(dir, 'state.db'))).toBe(0);
}

function countRuns(path: string): number {
  expect(existsSync(dirname(path))).toBe(true);
  const database = new DatabaseSync(path);
  try {
    return (database.prepare('select count(*) as count from run').get() as { count: number }).count;
  } finally {
    database.close();
  }
}

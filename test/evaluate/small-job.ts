import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Provider } from '../../src/provider/provider.ts';
import { createOrchestrator, type Orchestrator } from '../../src/index.ts';
import { createScratchFolder } from '../scratch.ts';
import { createAnsweringService, toRead, type AnsweringService, type ServiceSettings } from './answering-service.ts';

/** Held-out rows: every third is `yes`, the others `no`. */
export const heldOutRows = Array.from({ length: 12 }, (_, i) => ({ text: `text ${i}`, label: i % 3 === 0 ? 'yes' : 'no' }));

const trainingRows = [...heldOutRows, { text: 'one more', label: 'no' }].map((row) => ({ ...row, text: `trained ${row.text}` }));

const labels = new Map(heldOutRows.map(({ text, label }) => [text, label]));

/** A tuned model says the right label; an untrained one says yes to everything. */
export const sayRight: ServiceSettings['say'] = (row, tuned) => (tuned ? labels.get(toRead(row).replace('Text: ', ''))! : 'yes');

/** A provider of models on this machine, which cost nothing. */
export function createLocal(): AnsweringService {
  return createAnsweringService({ id: 'laptop', kind: 'folder', price: 'free', trainingUsd: 0, say: sayRight });
}

/** Rows as JSON lines. */
export function toLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export interface SmallJob {
  readonly orchestrator: Orchestrator;
  readonly folder: string;
  /** Of the job file. */
  readonly path: string;
}

/** What every comparison of the held-out rows says. */
export const fewRowsNote = '12 held-out rows are few: chance alone moves a score by up to 0.29';

/** Writes a job file with its data and runs it to its end; `job` changes the file's fields. */
export async function runSmallJob(
  providers: readonly Provider[],
  job: Readonly<Record<string, unknown>> = {},
  data: { readonly train: readonly object[]; readonly test: readonly object[] } = { train: trainingRows, test: heldOutRows },
): Promise<SmallJob> {
  const folder = createScratchFolder();
  const path = join(folder, 'job.json');
  writeFileSync(join(folder, 'train.jsonl'), toLines(data.train));
  writeFileSync(join(folder, 'test.jsonl'), toLines(data.test));
  const targets = Object.fromEntries(providers.map(({ id }) => [id, { provider: id, model: `base-${id}` }]));
  const sources = { train: './train.jsonl', test: './test.jsonl' };
  const evaluation = { generation: { maxTokens: 100 } };
  writeFileSync(path, JSON.stringify({ version: 1, name: 'small', task: 'classification', data: sources, evaluation, targets, ...job }));
  const orchestrator = await openSmallJob(folder, providers);
  await orchestrator.submit(await orchestrator.load(path));
  await orchestrator.wait(['small']);
  return { orchestrator, folder, path };
}

/** The state of a small job, as another process would open it. */
export async function openSmallJob(folder: string, providers: readonly Provider[], signal?: AbortSignal): Promise<Orchestrator> {
  return await createOrchestrator({ dir: join(folder, 'state'), providers, environment: {}, leaseMs: 1000, ...(signal && { signal }) });
}

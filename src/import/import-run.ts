import { join } from 'node:path';
import type { Provider } from '../provider/provider.ts';
import { isFailure, type FailureCode } from '../errors.ts';
import { adoptJob } from '../run/adopt.ts';
import type { RunPlan } from '../run/event.ts';
import { planJob } from '../run/plan.ts';
import { keepData } from '../run/run-data.ts';
import type { StoredRun } from '../run/run-store.ts';
import type { Driver } from '../run/workspace.ts';
import { readJobFile } from '../job/read-job-file.ts';
import { importJob } from './import-job.ts';
import type { ImportRecord } from './import-record.ts';
import { jobFile } from './write-job-files.ts';

export interface ImportedRun {
  readonly record: ImportRecord;
  readonly run: StoredRun | null;
  /** Why there is no run, in words. */
  readonly problem: string | null;
}

/** What is wrong with the imported data or job, so that no run can be made of it. */
const obstacles: readonly FailureCode[] = ['data-invalid', 'job-file-invalid', 'file-missing', 'model-invalid'];

/** Brings a job home (`importJob`), and takes it into the store as a run as far as its job file and data allow one. Reads the service only. */
export async function importRun(
  driver: Driver,
  provider: Provider,
  { id, folder }: { readonly id: string; readonly folder: string },
): Promise<ImportedRun> {
  const record = await importJob(provider, { id, folder }, driver.context);
  const has = (name: string): boolean => record.files.some((file) => file.name === name);
  if (record.job === null || !has(jobFile) || !has('train.jsonl')) return { record, run: null, problem: record.notes[0] ?? null };
  try {
    return { record, run: await adopt(driver, provider, { job: record.job, path: join(folder, jobFile) }), problem: null };
  } catch (error) {
    if (!isFailure(error) || !obstacles.includes(error.code)) throw error;
    return { record, run: null, problem: `no run can be made of it: ${error.message}` };
  }
}

async function adopt(
  driver: Driver,
  provider: Provider,
  { job, path }: { readonly job: NonNullable<ImportRecord['job']>; readonly path: string },
): Promise<StoredRun> {
  const { quote: _paid, ...training } = provider.training; // somebody has paid already: nothing is to be set aside
  const unpriced = { ...provider, training };
  const plan = async (isAgain: boolean): Promise<RunPlan> => {
    const [planned] = await planJob({ ...driver, provider: () => unpriced }, await readJobFile(path), {
      targets: [job.provider],
      again: isAgain,
    });
    await keepData(driver.dir, planned!.facts);
    return planned!;
  };
  return await adoptJob({ ...driver, force: true }, { job, plan });
}

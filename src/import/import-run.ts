import { join } from 'node:path';
import { Failure, isFailure, type FailureCode } from '../errors.ts';
import { readJobFile } from '../job/read-job-file.ts';
import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { ServiceFile } from '../provider/service.ts';
import { adoptJob } from '../run/adopt.ts';
import type { RunPlan } from '../run/event.ts';
import { planJob } from '../run/plan.ts';
import { keepData } from '../run/run-data.ts';
import type { StoredRun } from '../run/run-store.ts';
import { checkWritable } from '../store/open-store.ts';
import type { Driver } from '../run/workspace.ts';
import { importJob } from './import-job.ts';
import type { ImportRecord } from './import-record.ts';
import { jobFile } from './write-job-files.ts';

export interface ImportedRun {
  readonly record: ImportRecord;
  readonly run: StoredRun | null;
  /** Why there is no run, in words. */
  readonly problem: string | null;
}

/** Faults of the imported data or job with which it cannot become a run. */
const obstacles: readonly FailureCode[] = ['data-invalid', 'job-file-invalid', 'file-missing', 'model-invalid'];

/** Imports a job (`importJob`), and stores it as a run if its job file and data allow that. The service is only read. */
export async function importRun(
  driver: Driver,
  provider: Provider,
  { id, folder }: { readonly id: string; readonly folder: string },
): Promise<ImportedRun> {
  await checkWritable(driver.store);
  const record = await importJob(provider, { id, folder }, driver.context);
  const has = (name: string): boolean => record.files.some((file) => file.name === name);
  if (record.job === null || !has(jobFile) || !has('train.jsonl')) return { record, run: null, problem: record.notes[0] ?? null };
  try {
    return { record, run: await adopt(driver, provider, { job: record.job, path: join(folder, jobFile) }), problem: null };
  } catch (error) {
    if (!isFailure(error) || !obstacles.includes(error.code)) throw error;
    return { record, run: null, problem: `it cannot become a run: ${error.message}` };
  }
}

async function adopt(
  driver: Driver,
  provider: Provider,
  { job, path }: { readonly job: NonNullable<ImportRecord['job']>; readonly path: string },
): Promise<StoredRun> {
  const { quote: _paid, ...training } = provider.training; // the job is paid already: it must not reserve money
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

/** A provider that keeps jobs and models of an account. @throws Failure `usage` */
export function findService(providers: ReadonlyMap<string, Provider>, id: string): Provider {
  const services = [...providers.values()].filter(({ account }) => account?.jobs ?? account?.models);
  const found = services.find((provider) => provider.id === id);
  if (found !== undefined) return found;
  const expected = `a service that is one of ${services.map((service) => service.id).join(', ')}`;
  throw new Failure('usage', `expected ${expected}, found "${id}"`);
}

/** The files of the account; null: the service has no list of them, as gateways may not. */
export async function listServiceFiles({ account }: Provider, context: Context): Promise<ServiceFile[] | null> {
  try {
    return account?.files === undefined ? null : await Array.fromAsync(account.files(context));
  } catch (error) {
    if (isFailure(error, 'request-refused')) return null;
    throw error;
  }
}

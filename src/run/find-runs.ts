import { Failure } from '../errors.ts';
import { quoteWord } from '../lib/text.ts';
import type { Store } from '../store/open-store.ts';
import { toRunId } from './record.ts';
import { findRun, readRuns, type StoredRun } from './run-store.ts';
import { toDamageFailure, type DamagedRun } from './stored-run.ts';

const hint = '`orchestrate status` lists all runs';

/** Adds the jobs that the providers have for a job file to the store. */
type Adopt = (path: string) => Promise<StoredRun[]>;

/**
 * The runs of an address, newest first: `job`, `job/target`, `job/target#2`, a run key, or the path of a job file, which means the runs
 * that train what the file says now.
 * @throws Failure `run-not-found`, and for a path the failures of reading a job file
 */
export async function findRuns(store: Store, address: string, adopt?: Adopt): Promise<StoredRun[]> {
  const byKey = await findRun(store, address);
  if (byKey !== null) return [byKey];
  const [, job, target, number] = /^([a-z0-9-]{1,32})(?:\/([a-z0-9-]{1,32}))?(?:#(\d+))?$/.exec(address) ?? [];
  if (job === undefined) return await findRunsOfFile(store, address, adopt);
  const { runs, damaged } = await readRuns(store, {
    job,
    ...(target === undefined ? {} : { target }),
    ...(number === undefined ? {} : { number: Number(number) }),
  });
  checkNewest(runs, damaged);
  if (runs.length === 0) throw new Failure('run-not-found', `no run is called "${address}"`, { hint });
  return runs;
}

/** An older run must not pass for the newest one. @throws Failure `configuration-invalid` where the newest is damaged beyond repair */
function checkNewest(runs: readonly StoredRun[], damaged: readonly DamagedRun[]): void {
  const lost = damaged.find(({ isMended, target, number }) => {
    const numbers = runs.filter(({ record }) => record.plan.spec.target === target).map(({ record }) => record.number);
    return !isMended && numbers.every((other) => other < number);
  });
  if (lost !== undefined) throw toDamageFailure(lost, 'state.db');
}

/** Whether an address is the path of a job file. */
export function isJobFile(address: string): boolean {
  return /\.(jsonc?|ya?ml)$/i.test(address);
}

async function findRunsOfFile(store: Store, path: string, adopt?: Adopt): Promise<StoredRun[]> {
  if (!isJobFile(path)) {
    throw new Failure('run-not-found', `expected a run such as "job/target", a run key or a job file, found "${path}"`, { hint });
  }
  const { readJobFile } = await import('../job/read-job-file.ts');
  const job = await readJobFile(path);
  const { runs: ofName, damaged } = await readRuns(store, { job: job.spec.name });
  checkNewest(ofName, damaged);
  const { findMatchingRuns } = await import('./job-file.ts');
  const runs = await findMatchingRuns(job, ofName);
  if (runs.length > 0) return runs;
  const adopted = (await adopt?.(path)) ?? [];
  if (adopted.length > 0) return adopted;
  const where = adopt === undefined ? 'nothing that it trains was submitted from here' : 'its providers have no job of it either';
  const others = ofName.length === 0 ? '' : `; the runs called "${job.spec.name}" train something else: ${formatNames(ofName)}`;
  throw new Failure('run-not-found', `${path} has no run yet: ${where}${others}`, {
    hint: `\`orchestrate submit ${quoteWord(path)}\` makes one${ofName.length === 0 ? '' : '; or name the run that you mean'}`,
  });
}

const mostNames = 5;

function formatNames(runs: readonly StoredRun[]): string {
  const names = runs.slice(0, mostNames).map(({ record }) => toRunId(record));
  return `${names.join(', ')}${runs.length > mostNames ? ', …' : ''}`;
}

/** The newest run of each target. */
export async function findNewestRuns(store: Store, address: string): Promise<StoredRun[]> {
  const seen = new Set<string>();
  return (await findRuns(store, address)).filter(({ record }) => {
    const name = `${record.plan.spec.job}/${record.plan.spec.target}`;
    const isFirst = !seen.has(name);
    seen.add(name);
    return isFirst;
  });
}

/** The one run of a list. @throws Failure `usage` where there are several */
export function getOnlyRun([run, ...others]: readonly StoredRun[]): StoredRun {
  if (others.length === 0) return run!;
  const names = [run!, ...others].map(({ record }) => toRunId(record)).join(', ');
  throw new Failure('usage', `expected one run, found ${names}`, { hint: 'name one of them' });
}

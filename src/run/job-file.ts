/** A job file and the runs of it: which of them train what it says now, and what else it says now. */
import { createHash } from 'node:crypto';
import { openDataset } from '../dataset/open-dataset.ts';
import { parseRowTask } from '../dataset/row.ts';
import { isFailure, type FailureCode } from '../errors.ts';
import { readJobFile, type JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import { buildFingerprint, type ContentHashes } from '../job/run-key.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import { inspectSources, isHubSource, type Bringer } from './bring-data.ts';
import type { RunPlan, UnpaidPlan } from './event.ts';
import { isJobFile } from './find-runs.ts';
import { checkRunSpec, readBaseModel } from './plan.ts';
import { getUnpaid, toRunId, withUnpaid } from './record.ts';
import { findSource } from './run-data.ts';
import type { StoredRun } from './run-store.ts';
import type { Workspace } from './workspace.ts';

/** Failures of data and models that are not there any more, or not as they were. */
const unreadable: readonly FailureCode[] = ['file-missing', 'permission-denied', 'data-invalid', 'model-invalid'];

/** Hashes of what a job file names, each read once; null where it cannot be read. */
interface Content {
  hashData(paths: readonly string[], stored: readonly string[]): Promise<string | null>;
  readRevision(spec: RunSpec): Promise<string | null>;
}

function createContent(): Content {
  const known = new Map<string, Promise<string | null>>();
  const once = async (name: string, read: () => Promise<string | null>): Promise<string | null> => {
    const hash = known.get(name) ?? orNull(read);
    known.set(name, hash);
    return await hash;
  };
  return {
    hashData: async (paths, stored) => {
      // Where a dataset of the Hub is named as before, the Hub is not asked: `plan` and `submit` do.
      if (paths.some(isHubSource)) return hashJson(paths) === hashJson(stored) ? null : hashJson(paths);
      return await once(`data ${JSON.stringify(paths)}`, async () => await hashSources(paths));
    },
    readRevision: async (spec) =>
      await once(`model ${JSON.stringify(spec.model)}`, async () => await Promise.resolve(readBaseModel(spec).revision)),
  };
}

/** SHA-256 over the decompressed bytes of files in their order, in hex. */
async function hashSources(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) for await (const chunk of openDataset(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (isFailure(error) && unreadable.includes(error.code)) return null;
    throw error;
  }
}

/**
 * The runs that train what the job file says, in their order. Data and models that are not there any more count as unchanged: what was
 * trained can be asked for without them.
 */
export async function findMatchingRuns(job: JobFile, runs: readonly StoredRun[]): Promise<StoredRun[]> {
  const content = createContent();
  const matching: StoredRun[] = [];
  for (const run of runs) if ((await findMatchingSpec(job, run, content)) !== null) matching.push(run);
  return matching;
}

/** The target of the job file that trains what the run has trained; null where there is none. */
async function findMatchingSpec(job: JobFile, { record: { plan } }: StoredRun, content: Content): Promise<RunSpec | null> {
  const { target, job: name, workspace } = plan.spec;
  if (job.spec.name !== name || (job.spec.workspace ?? null) !== workspace || job.spec.targets[target] === undefined) return null;
  const spec = resolveTarget(job.spec, target, job.folder);
  const stored = { train: plan.facts.train.sha256, validation: plan.facts.validation?.sha256 ?? null, model: plan.model.revision };
  const isSame = (hashes: ContentHashes): boolean => hashJson(buildFingerprint(spec, hashes)) === hashJson(plan.fingerprint);
  const { train, validation } = spec.data;
  const hasValidation = validation !== null;
  if (!isSame(hasValidation ? stored : { ...stored, validation: null })) return null; // whatever the files hold: none is read in vain
  const own =
    !hasValidation || 'fraction' in validation
      ? null
      : ((await content.hashData(validation, listSources(plan.spec.data.validation))) ?? stored.validation);
  const model = (await content.readRevision(spec)) ?? stored.model;
  return isSame({ train: (await content.hashData(train, plan.spec.data.train)) ?? stored.train, validation: own, model }) ? spec : null;
}

function listSources(validation: RunSpec['data']['validation']): readonly string[] {
  return validation === null || 'fraction' in validation ? [] : validation;
}

/** Runs with what their job file says now. */
export interface PresentRuns {
  /** As the user gave it. */
  readonly address: string;
  readonly runs: readonly StoredRun[];
  /** Where something else holds than what a job file says now, and why. */
  readonly notes: readonly string[];
}

export interface PresentOptions {
  readonly address: string;
  /** Whether the held-out rows are wanted: then they are read, where they have changed. */
  readonly withTests: boolean;
}

/**
 * The runs with what their job file says now beside the training: held-out rows, evaluation, references, budget and tags. The file is the
 * address where that is one, else the one that a run remembers. Where that cannot be read, or trains something else by now, what was
 * stored at the submission holds, with a note.
 * @throws Failure of reading the file and its held-out rows, where the address is the file
 */
export async function readPresentRuns(
  workspace: Pick<Workspace, 'dir' | 'context' | 'bringData'>,
  stored: readonly StoredRun[],
  { address, withTests }: PresentOptions,
): Promise<PresentRuns> {
  const content = createContent();
  const isNamed = isJobFile(address);
  const notes = new Set<string>();
  const runs: StoredRun[] = [];
  for (const run of stored) {
    const jobFile = isNamed ? { path: address, overrides: [] } : run.record.plan.jobFile;
    const present = jobFile === undefined ? null : await readPresentRun({ workspace, content }, run, { jobFile, isNamed, withTests });
    runs.push(present?.run ?? run);
    if (present?.note != null) notes.add(present.note);
  }
  return { address, runs, notes: [...notes] };
}

interface Present {
  readonly run: StoredRun;
  readonly note: string | null;
}

async function readPresentRun(
  { workspace, content }: { readonly workspace: Pick<Workspace, 'dir' | 'context' | 'bringData'>; readonly content: Content },
  run: StoredRun,
  {
    jobFile,
    isNamed,
    withTests,
  }: { readonly jobFile: NonNullable<RunPlan['jobFile']>; readonly isNamed: boolean; readonly withTests: boolean },
): Promise<Present> {
  const { plan } = run.record;
  const withPlan = (unpaid: UnpaidPlan): StoredRun => ({ ...run, record: { ...run.record, plan: withUnpaid(plan, unpaid) } });
  const holds = `what was stored when ${toRunId(run.record)} was submitted holds`;
  try {
    const spec = await findMatchingSpec(await readJobFile(jobFile.path, jobFile.overrides), run, content);
    if (spec === null) return { run, note: `${jobFile.path} trains something else by now: ${holds}` };
    checkRunSpec(spec);
    const present = getUnpaid({ ...plan, spec });
    const stored = getUnpaid(plan);
    if (!withTests || (await hasSameTests(plan, spec, content))) return { run: withPlan({ ...stored, spec: present.spec }), note: null };
    return { run: withPlan({ ...present, facts: await inspectTests(workspace, plan, spec) }), note: null };
  } catch (error) {
    if (isNamed || !isFailure(error) || error.code === 'unexpected' || error.code === 'interrupted') throw error;
    return { run, note: `${jobFile.path} cannot be used now (${error.message.split('\n')[0]}): ${holds}` };
  }
}

/** Whether the held-out rows are those that are stored; those that are not there any more count as unchanged. */
async function hasSameTests({ facts, spec }: RunPlan, now: RunSpec, content: Content): Promise<boolean> {
  if (now.data.testFraction !== undefined) return true; // a share of the training rows changes with them only
  const names = Object.keys(now.data.test);
  if (hashJson(names.toSorted()) !== hashJson(Object.keys(facts.test).sort())) return false;
  const toColumns = ({ data }: RunSpec, name: string): unknown => [data.testColumns?.[name] ?? data.columns, data.quote ?? null];
  for (const name of names) {
    const paths = now.data.test[name]!;
    if (hashJson(toColumns(now, name)) !== hashJson(toColumns(spec, name))) return false;
    const hash = await content.hashData(paths, spec.data.test[name] ?? []);
    if (hash === null ? hashJson(paths) !== hashJson(spec.data.test[name]) : hash !== facts.test[name]!.sha256) return false;
  }
  return true;
}

/** Facts about other held-out rows than those that are stored, beside the training rows as they are stored. */
async function inspectTests(
  workspace: Bringer & Pick<Workspace, 'dir'>,
  { facts }: RunPlan,
  { data, task }: RunSpec,
): Promise<UnpaidPlan['facts']> {
  const train = await Promise.all(facts.train.sources.map(async (source) => await findSource(workspace.dir, source)));
  const validation = data.validation !== null && 'fraction' in data.validation ? data.validation : null;
  const { test, warnings } = await inspectSources({ ...data, task: parseRowTask(task), train, validation }, workspace);
  return { test, warnings };
}

/** A job file and the runs of it: which of them train what it says now. */
import { createHash } from 'node:crypto';
import { openDataset } from '../dataset/open-dataset.ts';
import { isFailure, type FailureCode } from '../errors.ts';
import type { JobFile } from '../job/read-job-file.ts';
import { resolveTarget } from '../job/resolve.ts';
import { buildFingerprint, type ContentHashes } from '../job/run-key.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import { readBaseModel } from './plan.ts';
import type { StoredRun } from './run-store.ts';

/** Failures of data and models that are not there any more, or not as they were. */
const unreadable: readonly FailureCode[] = ['file-missing', 'permission-denied', 'data-invalid', 'model-invalid'];

/** Hashes of what a job file names, each read once; null where it cannot be read. */
interface Content {
  hashData(paths: readonly string[]): Promise<string | null>;
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
    hashData: async (paths) => await once(`data ${JSON.stringify(paths)}`, async () => await hashSources(paths)),
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
  const own = !hasValidation || 'fraction' in validation ? null : ((await content.hashData(validation)) ?? stored.validation);
  const model = (await content.readRevision(spec)) ?? stored.model;
  return isSame({ train: (await content.hashData(train)) ?? stored.train, validation: own, model }) ? spec : null;
}

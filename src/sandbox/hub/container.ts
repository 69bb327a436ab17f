import { addCommit, findCommit, mainBranch, toLfsFile, toRegularFile } from './repo-store.ts';
import { toAdapterFiles } from './adapter.ts';
import { toFigureEvents, toLogLines, type Printed } from './figure-lines.ts';
import { findOwnerOfToken, findReadableRepo, isOwnName } from './find-repo.ts';
import type { HubJob, JobContext } from './hub-job.ts';
import type { Repo } from './hub-state.ts';
import { toClassifierCard } from './model-card.ts';
import { isStoredName } from './preupload.ts';
import { readHiddenFailure, readRecordedLog } from './recorded-logs.ts';
import type { JobTask } from './train-model.ts';
import type { ServiceAccount } from '../service-account.ts';

/** How the program in a container goes, and what it brings to the model's repository at its end. */
export interface Outcome {
  readonly exitCode: number;
  readonly lines: readonly string[];
  readonly model: { readonly owner: ServiceAccount; readonly repo: Repo; readonly files: ReadonlyMap<string, Uint8Array> } | null;
  /** It has ended at once: there was nothing to train. */
  readonly isQuick: boolean;
}

const claimBranch = 'orchestrate-claim';
const claimed = {
  type: 'training-failed',
  code: 'request-refused',
  message: 'this attempt is claimed already, by another job or because the program gave it up: nothing was trained',
  hint: 'look at the other job, or submit again with --again',
};

/**
 * Does what our own program does in a container: claims the model's repository, fetches the rows, trains, uploads. No command is ever
 * executed. A job that was told no task ends with 0 and says nothing.
 */
export function runContainer(context: JobContext, job: HubJob, nowMs: number): Outcome | Promise<Outcome> {
  const { task } = job;
  if (task === null) return { exitCode: 0, lines: [], model: null, isQuick: false };
  const toCrash = (error: string): Outcome => ({ exitCode: 1, lines: toLogLines(toFailure(error), nowMs), model: null, isQuick: true });
  if (typeof task === 'string') return toCrash(`json.decoder.JSONDecodeError: ORCHESTRATE_JOB: ${task}`);
  const owner = findOwnerOfToken(context.service, job.secrets['HF_TOKEN']);
  if (owner === null) return toCrash("KeyError: 'HF_TOKEN'");
  const repo = findReadableRepo(context.service, owner, { type: 'model', name: task.output.repo });
  if (repo === null || !isOwnName(owner, repo.name)) return toCrash(toMissing(task.output.repo));
  const main = findCommit(repo, mainBranch);
  if (repo.branches.has(claimBranch) || main === null)
    return { exitCode: 3, lines: toLogLines([claimed], nowMs), model: null, isQuick: true };
  repo.branches.set(claimBranch, main.oid);
  const rows = findRows(context, owner, task);
  if (typeof rows === 'string') return toCrash(rows);
  job.hasTrained = true;
  return train(context, { job, task, owner, repo, rows, nowMs });
}

function toMissing(name: string): string {
  return `huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. Repository Not Found for ${name}`;
}

/** An exception of Python, and what our program says about it. */
function toFailure(error: string): Printed[] {
  const failed = { type: 'training-failed', code: 'training-failed', message: `the training program failed: ${error}`, hint: null };
  return ['Traceback (most recent call last):', '  File "<string>", line 1, in <module>', ...error.split('\n'), failed];
}

interface Rows {
  readonly train: Buffer;
  readonly validation: Buffer | null;
}

/** The files of the dataset, or why they cannot be read. */
function findRows({ service }: JobContext, owner: ServiceAccount, { dataset }: JobTask): Rows | string {
  const repo = findReadableRepo(service, owner, { type: 'dataset', name: dataset.repo });
  const files = repo === null ? undefined : findCommit(repo, dataset.revision)?.files;
  if (files === undefined) return toMissing(`${dataset.repo} at ${dataset.revision}`);
  const train = files.get(dataset.train)?.bytes;
  const validation = dataset.validation == null ? null : files.get(dataset.validation)?.bytes;
  if (train === undefined || validation === undefined) return `FileNotFoundError: ${dataset.repo} has no ${dataset.train}`;
  return { train, validation };
}

interface Training {
  readonly job: HubJob;
  readonly task: JobTask;
  readonly owner: ServiceAccount;
  readonly repo: Repo;
  readonly rows: Rows;
  readonly nowMs: number;
}

async function train(context: JobContext, { job, task, owner, repo, rows, nowMs }: Training): Promise<Outcome> {
  const { hiddenFailure, jobError, blockModel } = context.account.settings;
  const first = { type: 'engine-started', engine: task.engine, task: task.task };
  const end = (exitCode: number, printed: readonly Printed[], model: Outcome['model'] = null): Outcome => ({
    exitCode,
    lines: toLogLines([first, ...printed], nowMs),
    model,
    isQuick: false,
  });
  // A container that ends with 0 although nothing was trained: what the service says about it must not count.
  if (hiddenFailure) return end(0, await readHiddenFailure());
  if (jobError !== null) return end(1, toFailure(`${jobError.code}: ${jobError.message}`));
  try {
    const { lines, files } = await learn(context, { job, task, owner, rows, nowMs });
    if (blockModel) return end(0, lines);
    return end(0, [...lines, { type: 'model-uploaded', repository: repo.name } as Printed], { owner, repo, files });
  } catch (error) {
    return end(1, toFailure(`RuntimeError: ${error instanceof Error ? error.message : String(error)}`));
  }
}

interface Learned {
  readonly lines: readonly Printed[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

async function learn(context: JobContext, { job, task, owner, rows }: Omit<Training, 'repo'>): Promise<Learned> {
  if (task.task !== 'text-classification') return { lines: await readRecordedLog(task), files: toAdapterFiles(task, rows.train.length) };
  const { trainModel, signal } = context.service;
  if (trainModel === null) throw new Error('this sandbox was started without a trainer');
  const base = findBase(context, owner, task);
  const { files, figures } = await trainModel({ task, rows, base, signal: AbortSignal.any([signal, job.stop.signal]) });
  return { lines: toFigureEvents(figures), files: new Map([...files, ['README.md', Buffer.from(toClassifierCard(task, figures))]]) };
}

/** The base model's files, where its weights are here. */
function findBase({ service }: JobContext, owner: ServiceAccount, { model }: JobTask): ReadonlyMap<string, Buffer> | null {
  const repo = findReadableRepo(service, owner, { type: 'model', name: model.base });
  const files = repo === null ? undefined : findCommit(repo, model.revision ?? mainBranch)?.files;
  if (files === undefined || ![...files.keys()].some((path) => path.endsWith('.safetensors'))) return null;
  return new Map([...files].map(([path, { bytes }]) => [path, bytes]));
}

/** Brings a model to its repository, all of it in one commit. */
export function commitModel({ owner, repo, files }: NonNullable<Outcome['model']>, nowMs: number): void {
  const made = [...files].map(([path, bytes]) => {
    const content = Buffer.from(bytes);
    return [path, isStoredName(path) ? toLfsFile(content) : toRegularFile(content)] as const;
  });
  const tree = new Map([...(findCommit(repo, mainBranch)?.files ?? []), ...made]);
  addCommit(owner, repo, { branch: mainBranch, title: 'The tuned model', message: '', nowMs, tree });
}

import { Failure } from '../errors.ts';

/** Sizes at which a service cuts a list that has no pages. */
function isUsualCap(length: number): boolean {
  return [10, 20, 25, 30, 40].includes(length) || (length >= 16 && (length % 50 === 0 || Number.isInteger(Math.log2(length))));
}

interface Asked {
  /** Such as `GET /fine-tunes`, for the message. */
  readonly call: string;
  /** What is looked for came after this time, ISO 8601; null: nobody knows. */
  readonly since: string | null;
}

/**
 * A list without pages may end somewhere, and nobody says so: that something is not in it proves nothing if it may have been cut. It is
 * surely whole where it has a length at which nobody cuts. Otherwise it must begin with the newest item and reach back behind the time
 * before which the one that is looked for cannot have been made.
 * @param times of the items as they come, ISO 8601; '' for one without a time
 * @throws Failure `response-invalid` where an absent item may exist all the same
 */
function checkWhole(times: readonly string[], { call, since }: Asked): void {
  const isNewestFirst = times.every((time, i) => time !== '' && (i === 0 || time <= times[i - 1]!));
  if (!isUsualCap(times.length) || (isNewestFirst && since !== null && times.at(-1)! < since)) return;
  throw new Failure('response-invalid', `${call}: expected a list that is surely whole, found ${times.length} jobs, where it may be cut`, {
    hint: 'delete an old job at the service (or start another one), so that the list has another length; nothing was started',
  });
}

/** A job of a list, as far as runs are found by it. */
export interface ListedJob {
  readonly id: string;
  /** The name that the run gave it. */
  readonly suffix?: string | null | undefined;
  readonly training_file?: string | null | undefined;
  /** ISO 8601; null: the service does not say. */
  readonly created_at: string | null;
  readonly updated_at: string | null;
  /** Whether it has ended without a model. */
  readonly hasFailed: boolean;
}

interface Uploaded {
  readonly trainingFile: string;
  readonly uploadedAt?: string | null;
}

/**
 * The jobs of a run, with their attempts: those with its key as their suffix, and those that train on a file of its attempts. A job that
 * the service itself has started in the place of another is no job beside it, and must not be cancelled as one.
 * @param prepared of each attempt
 * @throws Failure `response-invalid` where there is none, and the list may be cut
 */
export function findOwnJobs<Job extends ListedJob>(
  listed: readonly Job[],
  prepared: readonly Uploaded[],
  { key, call }: { readonly key: string; readonly call: string },
): { readonly job: Job; readonly attempt: number | null }[] {
  const attempts = new Map(prepared.map(({ trainingFile }, i) => [trainingFile, i + 1]));
  const own = listed.filter(({ suffix, training_file: file }) => suffix === key || attempts.has(file ?? ''));
  if (own.length === 0) {
    const uploads = prepared.flatMap(({ uploadedAt }) => uploadedAt ?? []).toSorted((a, b) => a.localeCompare(b));
    const since = uploads.length < prepared.length ? null : (uploads[0] ?? null); // a job on a file is younger than the file
    checkWhole(
      listed.map(({ created_at: time }) => time ?? ''),
      { call, since },
    );
  }
  const first = own.filter((job) => !own.some((other) => isRestartOf(job, other)));
  return first.map((job) => ({ job, attempt: attempts.get(job.training_file ?? '') ?? null }));
}

/** Whether the service itself has started this job in the place of another one: on the same file, once the other had ended without a model. */
function isRestartOf(job: ListedJob, other: ListedJob): boolean {
  const isSame = job.id !== other.id && job.training_file != null && job.training_file === other.training_file;
  const begun = job.created_at ?? '';
  return isSame && other.hasFailed && begun > (other.created_at ?? '') && begun >= (other.updated_at ?? '');
}

/** The newest job that goes on in the place of this one, under another identifier; null where there is none. */
export async function findRestart<Job extends ListedJob>(job: Job, list: () => Promise<readonly Job[]>): Promise<Job | null> {
  if (!job.hasFailed) return null;
  const later = (await list()).filter((other) => isRestartOf(other, job));
  return later.toSorted((a, b) => (a.created_at ?? '').localeCompare(b.created_at ?? '')).at(-1) ?? null;
}

import { Failure } from '../errors.ts';
import { checkJob } from '../job/job-problems.ts';
import { toJobSpec, type ImportedJob } from './imported-job.ts';
import { toNotes, type Reasons } from './notes.ts';
import type { Source } from './source.ts';

/**
 * The job with its notes, checked as every job file is.
 * @throws Failure `data-invalid` for what no job can say
 */
export function finishJob(source: Source, job: Omit<ImportedJob, 'notes'>, toReason: Reasons): ImportedJob {
  const finished: ImportedJob = { ...job, notes: toNotes(source, toReason) };
  const { problems } = checkJob(toJobSpec(finished));
  if (problems.length === 0) return finished;
  const lines = problems.map(
    ({ path, message }) => `${source.context.file}: no job can be made of it: ${path.map(String).join('.')}: ${message}`,
  );
  throw new Failure('data-invalid', lines.join('\n'));
}

import type { Phase, Status } from '../../src/provider/status.ts';
import type { Dialect } from './dialect.ts';
import { toTunedName, type Job } from './read-job.ts';

/** What the service's word for a job means; one that is not listed is `unknown`, and no end. */
export function toPhase({ statusMap }: Dialect, word: string): Phase {
  return (Object.hasOwn(statusMap, word) ? statusMap[word] : undefined) ?? 'unknown';
}

/** Where a job stands. It has succeeded once it names its model: until then a check of the model may still forbid it. */
export function toStatus(dialect: Dialect, job: Job): Status {
  const phase = toPhase(dialect, job.status);
  return { phase: phase === 'succeeded' && toTunedName(job) === null ? 'finalizing' : phase, raw: job.status };
}

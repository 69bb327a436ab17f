import type { Context } from '../../src/provider/context.ts';
import type { Deprecation, ServiceJob } from '../../src/provider/service.ts';
import type { Dialect } from './dialect.ts';
import { toTunedName, type Job } from './read-job.ts';
import { toIsoTime } from './to-iso-time.ts';
import { toStatus } from './status.ts';

/** A job of the service in our words. @param toEnd when a model ends */
export function toServiceJob(
  dialect: Dialect,
  job: Job,
  { context, getDeprecation }: { context: Context; getDeprecation: (model: string) => Deprecation | null },
): ServiceJob {
  const baseUrl = dialect.getBaseUrl(context);
  const model = toTunedName(job);
  const createdAt = toIsoTime(job['created_at']) ?? new Date(0).toISOString(); // where a gateway does not say: before all others
  return {
    job: { provider: dialect.id, id: job.id, location: baseUrl, attempt: 1, createdAt, url: dialect.toJobUrl(baseUrl, job.id) },
    status: toStatus(dialect, job),
    base: job.model,
    model,
    end: getDeprecation(model ?? job.model),
  };
}

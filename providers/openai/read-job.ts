import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { parseAnswer } from './upload.ts';

/** What every job has; what else is read of it may be missing, or be something else than its description says. */
const Job = z.looseObject({ id: z.string(), status: z.string(), model: z.string() });

export type Job = z.infer<typeof Job>;

export function toJobPath(id: string): string {
  return `/fine_tuning/jobs/${encodeURIComponent(id)}`;
}

/** A job as the service has it now. */
export async function readJob(dialect: Dialect, id: string, context: Context): Promise<Job> {
  const path = toJobPath(id);
  const call = `GET ${path}`;
  return await callService({ dialect, call }, context, async (client) => parseAnswer(Job, await client.get<unknown>(path), call));
}

/** The name of the tuned model; null where there is none yet. */
export function toTunedName({ fine_tuned_model: name }: Job): string | null {
  return typeof name === 'string' && name !== '' ? name : null;
}

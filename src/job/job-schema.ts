import { z } from 'zod';
import { JobSpec } from './job-spec.ts';

/** The job file as JSON Schema (draft 2020-12). */
export function toJobSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(JobSpec, { io: 'input' });
  return { ...schema, title: 'orchestrate job', description: 'One job file of orchestrate, version 1.' };
}

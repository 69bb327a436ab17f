import { z } from 'zod';
import type { HubJob } from './jobs-api.ts';

/** What of a job's task matters after it was created. */
const Task = z.looseObject({
  labels: z.array(z.string()).catch([]).default([]),
  maxLength: z.number().int().positive().catch(512).default(512),
  dataset: z.looseObject({ repo: z.string() }).nullable().catch(null).default(null),
  output: z.looseObject({ repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/) }),
  parameters: z.record(z.string(), z.unknown()).catch({}).default({}),
});
export type Task = z.infer<typeof Task>;

/** What the job was told, as the service repeats it; null where it does not. */
export function parseTask({ environment }: HubJob): Task | null {
  const text = environment?.['ORCHESTRATE_JOB'];
  if (typeof text !== 'string') return null;
  try {
    return Task.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** How many passes over the rows it makes; null where it goes by steps. */
export function toEpochs(task: Task | null): number | null {
  const { num_train_epochs: theirs, epochs = theirs, max_steps: steps = -1 } = task?.parameters ?? {};
  return typeof epochs === 'number' && epochs > 0 && steps === -1 ? epochs : null;
}

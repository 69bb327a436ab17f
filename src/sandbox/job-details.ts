import { toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { toSeconds } from './clock.ts';
import { findJob } from './jobs.ts';
import { toPage } from './page.ts';

/** Events, newest first. */
export function events(call: Call): Answer {
  const newest = findJob(call).events.toReversed();
  const { data, has_more } = toPage(newest, { query: call.query, usual: 20, most: call.pageSize });
  const toWire = ({ atMs, ...event }: (typeof newest)[number]): unknown => ({
    object: 'fine_tuning.job.event',
    created_at: toSeconds(atMs),
    ...event,
  });
  return toAnswer({ object: 'list', data: data.map(toWire), has_more });
}

/** Checkpoints, newest first. */
export function checkpoints(call: Call): Answer {
  const job = findJob(call);
  const { data, has_more } = toPage(job.checkpoints.toReversed(), { query: call.query, usual: 10, most: call.pageSize });
  const wire = data.map(({ id, atMs, model, step, metrics }) => ({
    object: 'fine_tuning.job.checkpoint',
    id,
    created_at: toSeconds(atMs),
    fine_tuned_model_checkpoint: model,
    fine_tuning_job_id: job.id,
    step_number: step,
    metrics,
  }));
  return toAnswer({ object: 'list', data: wire, has_more, first_id: wire[0]?.id ?? null, last_id: wire.at(-1)?.id ?? null });
}

import type { Printed } from './figure-lines.ts';
import type { JobTask } from './train-model.ts';

type Lines = readonly Printed[];

/** What real trainings printed. They are read when the first job needs one. */
export async function readRecordedLog({ engine, task }: Pick<JobTask, 'engine' | 'task'>): Promise<Lines> {
  if (engine === 'autotrain' && task === 'sft')
    return (await import('../../../fixtures/huggingface/logs/autotrain-sft.json', { with: { type: 'json' } })).default;
  if (task === 'sft') return (await import('../../../fixtures/huggingface/logs/trl-sft.json', { with: { type: 'json' } })).default;
  const { default: lines } = await import('../../../fixtures/huggingface/logs/trl-dpo.json', { with: { type: 'json' } });
  return engine === 'autotrain' ? lines.flatMap(toAutotrainLines) : lines;
}

/** A training that failed while its command ended with 0. */
export async function readHiddenFailure(): Promise<Lines> {
  return (await import('../../../fixtures/huggingface/logs/autotrain-hidden-failure.json', { with: { type: 'json' } })).default;
}

/** Figures of the same libraries, as AutoTrain prints them: bare numbers, each line twice. */
function toAutotrainLines(line: Printed): Printed[] {
  if (typeof line !== 'string') return [line];
  if (!line.startsWith('{')) return [];
  const bare = line.replaceAll(/: '([^']*)'/g, ': $1');
  return [`INFO     | 2026-11-23 00:21:27 | autotrain.trainers.common:on_log:367 - ${bare}`, bare];
}

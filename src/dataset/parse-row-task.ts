import { Failure } from '../errors.ts';
import type { RowTask } from './row.ts';

/** Columns that the data of a task may have, by our names. */
export const taskColumns: Readonly<Record<RowTask, readonly string[]>> = {
  classification: ['text', 'text2', 'label'],
  chat: ['messages'],
  preference: ['prompt', 'chosen', 'rejected'],
};

/**
 * A job's task as one whose rows can be read.
 * @throws Failure `job-file-invalid` for another one.
 */
export function parseRowTask(task: string): RowTask {
  if (isRowTask(task)) return task;
  const [last, ...others] = Object.keys(taskColumns)
    .map((name) => `"${name}"`)
    .reverse();
  throw new Failure(
    'job-file-invalid',
    `task: expected ${others.reverse().join(', ')} or ${last}, which this version can train, found "${task}"`,
  );
}

function isRowTask(task: string): task is RowTask {
  return Object.hasOwn(taskColumns, task);
}

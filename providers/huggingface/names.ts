import type { RunKey } from '../../src/job/run-key.ts';

/** How repositories at the Hub are named. The end of a name shows that this program made it, and for which rows or run. */
export const datasetName = /^orchestrate-data-[0-9a-f]{24}$/;
export const modelName = /-[a-z2-7]{20}(?:-\d+)?$/;

/** Whether a repository of this name, without its owner, is the model of an attempt of this run. */
export function isModelOf(name: string, key: string): boolean {
  return modelName.test(name) && name.replace(/-\d+$/, '').endsWith(`-${key.slice(0, 20)}`);
}

/** By the content: the same rows are one repository, whichever run needs them. */
export function formatDatasetName(hash: string): string {
  return `orchestrate-data-${hash.slice(0, 24)}`;
}

/** One for each attempt: its claim must not stop the next one. */
export function formatModelName(name: string, key: RunKey, attempt: number): string {
  const own = name.replaceAll(/-{2,}/g, '-').replaceAll(/^-|-$/g, '').slice(0, 60) || 'model';
  return `${own}-${key.slice(0, 20)}${attempt === 1 ? '' : `-${attempt}`}`;
}

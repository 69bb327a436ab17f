import { availableParallelism } from 'node:os';

/** Does the tasks in their order, one on each core at a time; results in the order of the tasks. */
export async function inParallel<T>(tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results = new Array<T>(tasks.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < tasks.length) {
      const index = next++;
      results[index] = await tasks[index]!();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return results;
}

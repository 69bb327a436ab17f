/** The kernels of the optimizer with tensors instead of addresses. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { windowSize, type KernelMemory } from './index.ts';

export function sumSquares({ call, find }: KernelMemory, x: Tensor): number {
  return call.sumSquares(find(x, x.shape), x.size);
}

/** The factors of one step: see assembly/optimizer.ts. */
export interface AdamWFactors {
  readonly clip: number;
  readonly beta1: number;
  readonly beta2: number;
  /** What decay leaves of a weight. */
  readonly remaining: number;
  readonly rate: number;
  readonly correction: number;
  readonly epsilon: number;
}

/** A parameter's averages: arrays outside of the kernels' memory, or addresses of as many numbers in it. */
export type KernelMoments = { readonly m: Float32Array; readonly v: Float32Array } | { readonly m: number; readonly v: number };

/** The parameter after a step, a new tensor, and whether all its numbers are finite. Its averages are changed in place. */
export function adamW(
  memory: KernelMemory,
  { before, gradient, m, v }: { before: Tensor; gradient: Tensor } & KernelMoments,
  { clip, beta1, beta2, remaining, rate, correction, epsilon }: AdamWFactors,
): { readonly after: Tensor; readonly isFinite: boolean } {
  const { call, create, find } = memory;
  const { shape, size } = before;
  const after = create(shape);
  const addresses = [find(before, shape), find(gradient, shape), find(after, shape)] as const;
  const factors = [clip, beta1, 1 - beta1, beta2, 1 - beta2, remaining, rate, correction, epsilon];
  const update = (start: number, count: number, averages: readonly number[]): boolean => {
    const [b, g, a] = addresses.map((address) => address + 4 * start) as [number, number, number];
    return call.adamW(b, g, ...averages, a, count, ...factors) === 1;
  };
  if (typeof m === 'number') return { after, isFinite: update(0, size, [m, v as number]) };
  return { after, isFinite: updateThroughWindows(memory, [m, v as Float32Array], { size, update }) };
}

/** Copies a part of the averages after the other into the kernels' memory and back. */
function updateThroughWindows(
  { view, windows }: KernelMemory,
  averages: readonly Float32Array[],
  { size, update }: { size: number; update: (start: number, count: number, averages: readonly number[]) => boolean },
): boolean {
  const wrong = averages.find(({ length }) => length !== size);
  if (wrong) throw new Error(`expected averages of ${size} numbers, found ${wrong.length}`);
  let isFinite = true;
  for (let start = 0; start < size; start += windowSize) {
    const count = Math.min(windowSize, size - start);
    for (const [i, average] of averages.entries()) view(windows[i]!, count).set(average.subarray(start, start + count));
    isFinite = update(start, count, windows) && isFinite;
    for (const [i, average] of averages.entries()) average.set(view(windows[i]!, count), start);
  }
  return isFinite;
}

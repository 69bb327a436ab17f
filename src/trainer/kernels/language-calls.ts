/** The kernels of language models with tensors instead of addresses, as calls.ts has the others. The formulas stand in assembly/language.ts. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { KernelMemory } from './index.ts';

/** Each D numbers of x, D those of the weight, and the inverse of their root mean square, which the gradient needs. */
export function rmsNorm(
  { call, create, find }: KernelMemory,
  x: Tensor2D,
  { weight, epsilon }: { weight: Tensor1D; epsilon: number },
): { readonly y: Tensor2D; readonly inverse: Tensor } {
  const D = weight.shape[0];
  const M = countRows(x, D);
  const [y, inverse] = [create<Tensor2D>(x.shape), create([M])];
  call.rmsNorm(find(x, x.shape), find(weight, [D]), find(y, x.shape), find(inverse, [M]), M, D, epsilon);
  return { y, inverse };
}

/** Gradients of x and of the weight. */
export function rmsNormGradient(
  { call, create, find }: KernelMemory,
  dy: Tensor,
  { x, inverse, weight }: { x: Tensor; inverse: Tensor; weight: Tensor },
): [dx: Tensor, dWeight: Tensor] {
  const D = weight.shape[0];
  const M = countRows(x, D);
  const [dx, dWeight] = [create(x.shape), create([D])];
  const inputs = [find(dy, x.shape), find(x, x.shape), find(inverse, [M]), find(weight, [D])];
  call.rmsNormGradient(...inputs, find(dx, x.shape), find(dWeight, [D]), M, D);
  return [dx, dWeight];
}

function countRows(x: Tensor, D: number): number {
  if (x.size % D !== 0) throw new Error(`expected rows of ${D} numbers, found ${x.shape.join(' x ')}`);
  return x.size / D;
}

/** x [M, A * D]; cosines and sines [M, D]; the direction is 1, or -1 for the gradient. */
export function turn(
  { call, create, find }: KernelMemory,
  x: Tensor,
  { cos, sin, direction }: { cos: Tensor; sin: Tensor; direction: 1 | -1 },
): Tensor2D {
  const [[M, H], D] = [x.shape as [number, number], cos.shape[1]!];
  if (H % D !== 0 || D % 2 !== 0) throw new Error(`expected heads of an even size that divides ${H}, found ${D}`);
  const y = create<Tensor2D>([M, H]);
  call.turn(find(x, [M, H]), find(cos, [M, D]), find(sin, [M, D]), find(y, [M, H]), M, H / D, D, direction);
  return y;
}

export function gate({ call, create, find }: KernelMemory, gate: Tensor, x: Tensor): Tensor2D {
  const y = create<Tensor2D>(x.shape);
  call.gate(find(gate, x.shape), find(x, x.shape), find(y, x.shape), x.size);
  return y;
}

/** Gradients of the gate and of x. */
export function gateGradient(
  { call, create, find }: KernelMemory,
  dy: Tensor,
  { gate, x }: { gate: Tensor; x: Tensor },
): [dGate: Tensor, dx: Tensor] {
  const { shape, size } = x;
  const [dGate, dx] = [create(shape), create(shape)];
  call.gateGradient(find(dy, shape), find(gate, shape), find(x, shape), find(dGate, shape), find(dx, shape), size);
  return [dGate, dx];
}

/** logits [M, V], tokens int32 [M]: two numbers a row, the first less the logarithm of the second. @throws Error for a token that is none of the V */
export function logProbabilities(
  { call, create, find }: KernelMemory,
  logits: Tensor2D,
  tokens: Tensor1D,
): { readonly distances: Tensor1D; readonly sums: Tensor1D } {
  const [M, V] = logits.shape;
  const [distances, sums] = [create<Tensor1D>([M]), create<Tensor1D>([M])];
  const inputs = [find(logits, [M, V]), find(tokens, [M], 'int32')];
  if (call.logProbabilities(...inputs, find(distances, [M]), find(sums, [M]), M, V) !== 1)
    throw new Error(`expected tokens below ${V}, found another one`);
  return { distances, sums };
}

/** Turns logits into their gradients, in place. The tokens are those that `logProbabilities` has taken. */
export function turnIntoGradient({ call, find }: KernelMemory, logits: Tensor2D, { tokens, dy }: { tokens: Tensor1D; dy: Tensor }): void {
  const [M, V] = logits.shape;
  call.logProbabilitiesGradient(find(logits, [M, V]), find(tokens, [M], 'int32'), find(dy, [M]), M, V);
}

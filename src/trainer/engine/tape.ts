/**
 * Gradients by reverse accumulation over the engine's operations: a list of what was computed is walked backwards. tfjs has the same for
 * its own kernels, at a price for each of them (copies, scopes, a search for what depends on what) that is a tenth of a step of a small
 * model.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '../backends/index.ts';
import type { Parameters } from './parameters.ts';

/** Keeps tensors for the gradient. It may use only these: everything else of the forward pass is freed when that ends. */
export interface Save {
  (saved: Tensor[]): void;
  /** Whether a gradient will be asked for. */
  readonly isUsed: boolean;
}

/** The gradient of each input from that of the value. A tensor of its own for each input: they are freed one by one. */
type ToGradients = (dy: Tensor, saved: Tensor[]) => Tensor | Tensor[];

interface Result<Value extends Tensor> {
  readonly value: Value;
  readonly gradFunc: ToGradients;
}

interface Entry {
  readonly inputs: readonly Tensor[];
  readonly value: Tensor;
  readonly saved: Tensor[];
  readonly gradFunc: ToGradients;
}

/** A forward pass that is being recorded. */
interface Recording {
  readonly entries: Entry[];
  /** What has a gradient: the parameters, and all that was computed from them. */
  readonly needed: Set<Tensor>;
  /** How many entries have saved a tensor that would else be freed. */
  readonly saves: Map<Tensor, number>;
}

const recordings = new WeakMap<TensorFlow, Recording>();

/** Makes an operation of its forward function. Outside of `findGradients` it is one for tfjs's own functions, such as `tf.grads`. */
export function createDefine(tf: TensorFlow) {
  return <Inputs extends Tensor[], Value extends Tensor>(
      forward: (save: Save, ...inputs: Inputs) => Result<Value>,
    ): ((...inputs: Inputs) => Value) =>
    (...inputs) => {
      const recording = recordings.get(tf);
      return recording ? record(tf, recording, { forward, inputs }) : computeOnTape(tf, forward, inputs);
    };
}

/** tfjs types the arguments of such a function as `Tensor | Save`; here they are named once. */
function computeOnTape<Inputs extends Tensor[], Value extends Tensor>(
  tf: TensorFlow,
  forward: (save: Save, ...inputs: Inputs) => Result<Value>,
  inputs: Inputs,
): Value {
  return tf.customGrad<Value>((...args) => {
    const save = args.at(-1) as unknown as (saved: Tensor[]) => void;
    return forward(
      Object.assign((saved: Tensor[]) => save(saved), { isUsed: true }),
      ...(args.slice(0, -1) as Inputs),
    );
  })(...inputs);
}

function record<Inputs extends Tensor[], Value extends Tensor>(
  tf: TensorFlow,
  { entries, needed, saves }: Recording,
  { forward, inputs }: { forward: (save: Save, ...inputs: Inputs) => Result<Value>; inputs: Inputs },
): Value {
  const isUsed = inputs.some((input) => needed.has(input));
  const saved: Tensor[] = [];
  const save = (tensors: Tensor[]): void => {
    if (!isUsed) return;
    saved.push(...tensors);
    for (const tensor of tensors) {
      const count = saves.get(tensor);
      if (count === undefined && tensor.kept) continue; // somebody else's, such as a parameter
      saves.set(tensor, (count ?? 0) + 1);
      tf.keep(tensor);
    }
  };
  const results: Result<Value>[] = [];
  const value = tf.tidy(() => {
    results.push(forward(Object.assign(save, { isUsed }), ...inputs));
    return results[0]!.value;
  });
  if (isUsed) {
    needed.add(value);
    entries.push({ inputs, value, saved, gradFunc: results[0]!.gradFunc });
  }
  return value;
}

/**
 * The number that `compute` gives, and the gradients of `scale` times that, by the name of the parameter.
 * @throws Error when the number does not depend on one of the parameters
 */
export function findGradients(
  tf: TensorFlow,
  compute: () => Tensor,
  { parameters, scale }: { parameters: Parameters; scale: number },
): { readonly value: number; readonly gradients: Map<string, Tensor> } {
  const recording: Recording = { entries: [], needed: new Set(parameters.values()), saves: new Map() };
  const found = new Map<Tensor, Tensor>();
  try {
    recordings.set(tf, recording);
    const sum = tf.tidy(compute);
    recordings.delete(tf);
    found.set(sum, tf.scalar(scale));
    const value = sum.dataSync()[0]!;
    for (let entry = recording.entries.at(-1); entry; entry = recording.entries.at(-1)) {
      propagate(tf, recording, { entry, found });
      release(recording, recording.entries.pop()!);
    }
    for (const [name, parameter] of parameters) {
      if (!found.has(parameter)) throw new Error(`no gradient of ${name}: the loss was not computed from it by the engine's operations`);
    }
    return { value, gradients: new Map([...parameters].map(([name, parameter]) => [name, tf.keep(found.get(parameter)!)])) };
  } finally {
    recordings.delete(tf);
    for (const entry of recording.entries) release(recording, entry);
  }
}

/** From the gradient of an entry's value to those of its inputs, which are added to what is found. */
function propagate(tf: TensorFlow, { needed }: Recording, { entry, found }: { entry: Entry; found: Map<Tensor, Tensor> }): void {
  const dy = found.get(entry.value);
  if (!dy) return;
  found.delete(entry.value);
  const gradients = tf.tidy(() => {
    const result = entry.gradFunc(dy, entry.saved);
    return Array.isArray(result) ? result : [result];
  });
  for (const [i, input] of entry.inputs.entries()) {
    const gradient = gradients[i]!;
    const before = found.get(input);
    if (!needed.has(input)) gradient.dispose();
    else if (!before) found.set(input, gradient);
    else {
      found.set(input, tf.add(before, gradient));
      tf.dispose([before, gradient]);
    }
  }
  dy.dispose();
}

function release({ saves }: Recording, { saved }: Entry): void {
  for (const tensor of saved) {
    const count = saves.get(tensor);
    if (count === undefined) continue;
    if (count > 1) saves.set(tensor, count - 1);
    else tensor.dispose();
  }
}

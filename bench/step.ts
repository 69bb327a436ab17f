/** One training step of the engine, with its kernels and without, beside the same model on plain tfjs functions with tfjs's own gradients. */
import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { defaultBackend, getBackend, startBackend, type BackendName, type TensorFlow } from '../src/trainer/backends/index.ts';
import { createAdamW } from '../src/trainer/engine/adamw.ts';
import { closeNetwork, computeAndFree, computeGradients, freeGradients } from '../src/trainer/engine/network.ts';
import { adamWDefaults, hasDecay } from '../src/trainer/engine/optimizer.ts';
import type { ModelConfig } from '../src/trainer/families/index.ts';
import type { ClassifierNetwork } from '../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../src/trainer/tasks/classification/rows.ts';
import { createDropout, createOps } from '../src/trainer/engine/ops.ts';
import { interleave, type Sample, type Samples } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';
import { createPlainOps } from './plain-ops.ts';
import { registerGradients } from './register-gradients.ts';
import { batchSize, createNetwork, createRows, shapes, tokens } from './shapes.ts';

const [learningRate, weightDecay, maxGradNorm] = [5e-5, 0.01, 1];
const measures = ['forward', 'forward and backward', 'optimizer', 'step'];

export async function measureStep(): Promise<string> {
  await startBackend(defaultBackend); // the library first, then what is registered with it
  await registerGradients();
  const header = ['engine, ms', 'without kernels, ms', 'plain tfjs, ms', 'engine / without', 'engine / plain'];
  const rows: string[][] = [['model', 'part', ...header]];
  for (const [name, config] of Object.entries(shapes)) {
    const texts = createRows(config);
    const [portable, without] = await openEngine('wasm-portable', config, texts);
    const [engine, step] = await openEngine(defaultBackend, config, texts);
    const plain = createNetwork(engine.tf, config, createPlainOps(engine.tf));
    for (const other of [portable, plain]) checkSame(engine, other, texts);
    const found = await interleave(
      { engine: step, without, plain: createPlainStep(plain, texts) },
      config.layers > 2 ? { warmUps: 1, rounds: 3 } : { warmUps: 5, rounds: 25 },
    );
    rows.push(...measures.map((measure) => toRow(name, measure, found)));
    for (const network of [engine, portable, plain]) closeNetwork(network);
  }
  return `One training step on ${defaultBackend}, batch ${batchSize} x ${tokens} tokens, all parameters, dropout 0.1.\n\n${toTable(rows)}`;
}

/** A network whose operations and optimizer are those of a backend, and its step. */
async function openEngine(
  backend: BackendName,
  config: ModelConfig,
  texts: readonly EncodedRow[],
): Promise<[ClassifierNetwork, () => Sample]> {
  const tf = await startBackend(backend);
  const network = createNetwork(tf, config, createOps(tf));
  return [network, createEngineStep(network, texts)];
}

function toRow(name: string, measure: string, found: { engine: Samples; without: Samples; plain: Samples }): string[] {
  const [ours, without, plain] = [found.engine[measure]!, found.without[measure]!, found.plain[measure]!];
  return [name, measure, toSpread(ours), toSpread(without), toSpread(plain), toRatio(ours, without), toRatio(ours, plain)];
}

/** Both must compute the same, or the comparison says nothing. @throws Error naming the gradient that differs */
function checkSame(engine: ClassifierNetwork, other: ClassifierNetwork, texts: readonly EncodedRow[]): void {
  const [ours, theirs] = [engine, other].map((network) => computeGradients(network, texts, { rows: texts.length, next: null }));
  for (const [name, gradient] of ours!.gradients) {
    const [values, others] = [gradient, theirs!.gradients.get(name)!].map((tensor) => tensor.dataSync()) as [Float32Array, Float32Array];
    const largest = values.reduce((most, value, i) => Math.max(most, Math.abs(value - others[i]!)), 0);
    if (!(largest < 1e-5)) throw new Error(`the gradients of ${name} differ by ${largest}`);
  }
  for (const { gradients } of [ours!, theirs!]) freeGradients(gradients);
}

/** The loss, as a number: all of the forward pass. */
function toLoss(network: ClassifierNetwork, texts: readonly EncodedRow[], step: number): number {
  return computeAndFree(network.tf, () => toLossTensor(network, texts, step).dataSync()[0]!);
}

function toLossTensor(network: ClassifierNetwork, texts: readonly EncodedRow[], step: number): Tensor {
  return network.task.computeLoss(network, texts, createDropout({ seed: 1, step, microBatch: 0 }));
}

/** The forward pass alone, then a whole step. */
function createEngineStep(network: ClassifierNetwork, texts: readonly EncodedRow[]): () => Sample {
  const optimizer = createAdamW(network.tf, { ...adamWDefaults, weightDecay }, getBackend(defaultBackend).memory);
  let step = 0;
  return () => {
    step++;
    const begun = performance.now();
    toLoss(network, texts, step);
    const between = performance.now();
    const { gradients } = computeGradients(network, texts, { rows: texts.length, next: createDropout({ seed: 1, step, microBatch: 0 }) });
    const after = performance.now();
    optimizer.update({ parameters: network.parameters, gradients, learningRate, maxGradNorm });
    return toSample(begun, between, after);
  };
}

function toSample(begun: number, between: number, after: number): Sample {
  const ended = performance.now();
  return { forward: between - begun, 'forward and backward': after - between, optimizer: ended - after, step: ended - between };
}

/** tfjs has no AdamW: its Adam after the decay, with clipping, all in tensors. */
function createPlainStep(network: ClassifierNetwork, texts: readonly EncodedRow[]): () => Sample {
  const { tf, parameters } = network;
  for (const [name, tensor] of parameters) {
    parameters.set(name, tf.variable(tensor, true, name));
    tensor.dispose();
  }
  const optimizer = tf.train.adam(learningRate);
  let step = 0;
  return () => {
    step++;
    const begun = performance.now();
    toLoss(network, texts, step);
    const between = performance.now();
    const { value, grads } = tf.variableGrads(() => tf.div<Scalar>(toLossTensor(network, texts, step), texts.length));
    value.dataSync();
    const after = performance.now();
    tf.tidy(() => optimizer.applyGradients(clip(tf, grads)));
    decay(network);
    const sample = toSample(begun, between, after);
    tf.dispose([value, grads]);
    return sample;
  };
}

function clip(tf: TensorFlow, grads: Readonly<Record<string, Tensor>>): Record<string, Variable> {
  const norm = tf.sqrt(tf.addN(Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)))));
  const factor = tf.minimum(1, tf.div(maxGradNorm, tf.add(norm, 1e-6)));
  // tfjs's optimizer is typed for variables and reads tensors.
  return Object.fromEntries(Object.entries(grads).map(([name, gradient]) => [name, tf.mul<Variable>(gradient, factor)]));
}

function decay({ tf, parameters }: ClassifierNetwork): void {
  for (const [name, variable] of parameters) {
    if (hasDecay(name)) tf.tidy(() => (variable as Variable).assign(tf.mul(variable, 1 - learningRate * weightDecay)));
  }
}

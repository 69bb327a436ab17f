/** The program of a worker: it opens its copy of a network, and answers one request after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { toFailureData } from '../../errors.ts';
import { startBackend } from '../backends/index.ts';
import { freeGradients } from '../engine/network.ts';
import { createOps } from '../engine/ops.ts';
import { accumulateShare } from '../engine/train.ts';
import { explainMemory } from '../memory.ts';
import { computeBatchLogits, getTask, type ClassifierNetwork } from '../tasks/classification/classifier.ts';
import { createTensor, writeShared, type Answer, type Opening, type Request } from './messages.ts';

const { port, answered, parameters, gradients, ...opening } = workerData as Opening;
const shared = new Map(parameters.map((parameter) => [parameter.name, parameter]));

async function openNetwork(): Promise<ClassifierNetwork> {
  const { backend, kernels, config, labels, isMultiLabel, lowRank } = opening;
  const tf = await startBackend(backend, kernels);
  const trained = new Set(gradients.map(({ name }) => name));
  const tensors = new Map(parameters.map((parameter) => [parameter.name, createTensor(tf, parameter)]));
  const isTrainable = (name: string): boolean => trained.has(name);
  return { tf, ops: createOps(tf), config, task: getTask(isMultiLabel), labels, parameters: tensors, lowRank, isTrainable };
}

function answer(network: ClassifierNetwork, { changed, task }: Request): Answer {
  const { tf } = network;
  for (const name of changed) {
    network.parameters.get(name)?.dispose();
    network.parameters.set(name, createTensor(tf, shared.get(name)!));
  }
  if (task.type === 'logits') return { type: 'logits', logits: task.batches.map((batch) => computeBatchLogits(network, batch)) };
  const found = accumulateShare(network, task.batch, task.settings);
  for (const target of gradients) {
    const gradient = found.gradients.get(target.name);
    if (gradient) writeShared(tf, gradient, target);
  }
  freeGradients(found.gradients);
  return { type: 'gradients', lossSum: found.lossSum, hasRows: found.gradients.size > 0 };
}

/** What `compute` returns, or its failure. */
function attempt(compute: () => Answer): Answer {
  try {
    return compute();
  } catch (error) {
    return toFailed(error);
  }
}

const toFailed = (error: unknown): Answer => ({ type: 'failed', failure: toFailureData(explainMemory(error)) });

try {
  const network = await openNetwork();
  parentPort!.on('message', (request: Request) => {
    port.postMessage(attempt(() => answer(network, request)));
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
  parentPort!.postMessage({ type: 'opened' } satisfies Answer);
} catch (error) {
  parentPort!.postMessage(toFailed(error));
}

/**
 * Threads that help the trainer: each has a backend and a copy of the network of its own. The main thread begins their work, does its own
 * part meanwhile, and then waits without giving its own loop a turn, so that a training step stays one call.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { Failure, type FailureData } from '../../errors.ts';
import type { BackendName } from '../backends/index.ts';
import { getTrained } from '../engine/network.ts';
import type { BatchGradients, Helpers } from '../engine/shares.ts';
import type { KernelVariant } from '../kernels/index.ts';
import { multiLabel, type ClassifierNetwork } from '../tasks/classification/classifier.ts';
import type { EncodedRow } from '../tasks/classification/rows.ts';
import { addShared, createShared, writeShared, type Answer, type Opening, type Request, type SharedTensor, type Task } from './messages.ts';

export interface Workers extends Helpers<EncodedRow> {
  /** Ends the threads, whatever they do. */
  close(): Promise<void>;
}

export interface WorkerSettings {
  /** Workers beside the main thread. */
  readonly count: number;
  readonly backend: BackendName;
  readonly kernels: KernelVariant | null;
  /** What they run; by default the program that belongs to this file. */
  readonly program?: URL;
}

/**
 * Starts workers for a network, which they follow: whenever they compute, they have its parameters as they are then. What they compute
 * throws their failure, or `out-of-memory` when one of them has ended without a word.
 *
 * @throws Failure of a worker that does not start
 */
export async function openWorkers(
  network: ClassifierNetwork,
  { count, program = findProgram(), ...backend }: WorkerSettings,
): Promise<Workers> {
  const { parameters, tf } = network;
  const shared = new Map([...parameters].map(([name, tensor]) => [name, createShared(name, tensor)]));
  const known = new Map<string, unknown>();
  /** Puts new tensors into the shared memory. While a worker computes there are none. */
  const publish = (to: readonly StartedWorker[]): void => {
    for (const [name, tensor] of parameters) {
      if (known.get(name) === tensor) continue;
      writeShared(tf, tensor, shared.get(name)!);
      known.set(name, tensor);
      for (const { changed } of to) changed.add(name);
    }
  };
  publish([]);
  const workers = Array.from({ length: count }, () => startWorker(network, [...shared.values()], { ...backend, program }));
  const close = async (): Promise<void> => void (await Promise.all(workers.map(async ({ end }) => await end())));
  try {
    await Promise.all(workers.map(async ({ opened }) => await opened));
  } catch (error) {
    await close();
    throw error;
  }
  for (const name of parameters.keys()) if (!network.isTrainable(name)) shared.delete(name); // never sent again
  return {
    count,
    close,
    startGradients(batch, { microBatchSize, seed, step, memory }) {
      publish(workers);
      for (const [i, { ask }] of workers.entries()) {
        const share = { index: i + 1, of: count + 1 };
        ask({ type: 'gradients', batch, settings: { microBatchSize, seed, step, memory, share } });
      }
      return (own) => workers.reduce((sum, worker) => addGradients(network, sum, worker), own);
    },
    startLogits(batches) {
      publish(workers);
      const asked = workers.map((worker, i) => ({ worker, own: batches.filter((_, batch) => batch % count === i) }));
      for (const { worker, own } of asked) if (own.length > 0) worker.ask({ type: 'logits', batches: own });
      return () => {
        const found = asked.map(({ worker, own }) => (own.length > 0 ? worker.waitFor('logits').logits : []));
        return batches.map((_, batch) => found[batch % count]![Math.floor(batch / count)]!);
      };
    },
  };
}

function addGradients({ tf }: ClassifierNetwork, sum: BatchGradients, { waitFor, gradients: shared }: StartedWorker): BatchGradients {
  const { lossSum, hasRows } = waitFor('gradients');
  if (!hasRows) return sum;
  const gradients = new Map(sum.gradients);
  for (const part of shared) gradients.set(part.name, addShared(tf, sum.gradients.get(part.name)!, part));
  return { lossSum: sum.lossSum + lossSum, gradients };
}

interface StartedWorker {
  readonly opened: Promise<void>;
  readonly gradients: readonly SharedTensor[];
  /** Names of parameters that have new numbers since its last request. */
  readonly changed: Set<string>;
  ask(task: Task): void;
  /** Waits for the answer to the last request. @throws Failure */
  waitFor<Type extends Answer['type']>(type: Type): Extract<Answer, { type: Type }>;
  end(): Promise<void>;
}

function startWorker(
  network: ClassifierNetwork,
  parameters: readonly SharedTensor[],
  { program, ...backend }: Pick<Opening, 'backend' | 'kernels'> & { readonly program: URL },
): StartedWorker {
  const { config, labels, lowRank } = network;
  const { port1, port2 } = new MessageChannel();
  const gradients = [...getTrained(network)].map(([name, tensor]) => createShared(name, tensor));
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const opening: Opening = {
    ...backend,
    config,
    labels,
    isMultiLabel: network.task === multiLabel,
    lowRank,
    parameters,
    gradients,
    port: port2,
    answered,
  };
  const worker = new Worker(program, { workerData: opening, transferList: [port2] });
  const opened = new Promise<void>((resolve, reject) => {
    const end = (): void => reject(createEnd());
    worker.on('error', reject).on('exit', end);
    worker.once('message', (answer: Answer) => {
      if (answer.type === 'failed') reject(toFailure(answer.failure));
      else resolve();
    });
  });
  const changed = new Set<string>();
  let asked = 0;
  return {
    opened,
    gradients,
    changed,
    ask(task) {
      asked++;
      worker.postMessage({ changed: [...changed], task } satisfies Request);
      changed.clear();
    },
    waitFor<Type extends Answer['type']>(type: Type) {
      waitUntil(answered, asked, () => isAlive(worker));
      const answer = readAnswer(port1);
      if (answer.type === 'failed') throw toFailure(answer.failure);
      if (answer.type !== type) throw new Error(`expected ${type} of a worker, found ${answer.type}`);
      return answer as Extract<Answer, { type: Type }>;
    },
    async end() {
      await worker.terminate();
      port1.close();
    },
  };
}

/** The program of a worker: the source in a clone, a file beside the trainer's bundle in the installed package. */
function findProgram(): URL {
  const source = new URL('./worker.ts', import.meta.url);
  return existsSync(fileURLToPath(source)) ? source : new URL('./trainer-worker.js', import.meta.url);
}

/** How often a thread that waits looks whether the other one still lives, and after how long it waits no longer. */
const lookMs = 1000;
const mostMs = 30 * 60_000;

/** Waits until so many answers are there. @throws Failure where there will be none */
function waitUntil(answered: Int32Array, count: number, isLiving: () => boolean): void {
  const end = performance.now() + mostMs;
  for (let found = Atomics.load(answered, 0); found < count; found = Atomics.load(answered, 0)) {
    if (Atomics.wait(answered, 0, found, lookMs) !== 'timed-out' || isLiving()) {
      if (performance.now() < end) continue;
      throw new Failure('unexpected', `a thread of the trainer has not answered within ${mostMs / 60_000} minutes`);
    }
    if (Atomics.load(answered, 0) < count) throw createEnd();
  }
}

/**
 * Events of a thread come when this one's loop has its turn. The figures of its loop can be asked for at any time: they are gone with it, or
 * the time that it was idle is less than none.
 */
function isAlive(worker: Worker): boolean {
  const { active, idle } = worker.performance.eventLoopUtilization();
  return active > 0 && idle >= 0;
}

function createEnd(): Failure {
  return new Failure('out-of-memory', 'a thread of the trainer ended without an answer, as one does that has no memory left', {
    hint: 'set options.threads of the target to 1, or options.microBatchSize to a smaller number',
  });
}

function readAnswer(port: MessagePort): Answer {
  return (receiveMessageOnPort(port) as { readonly message: Answer }).message;
}

function toFailure({ code, message, hint }: FailureData): Failure {
  return new Failure(code, message, hint === null ? {} : { hint });
}

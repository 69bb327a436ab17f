import { join } from 'node:path';
import { chooseKernels, startBackend, type Backend } from '../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import { createTrainingState, train, type TrainingState } from '../../src/trainer/engine/train.ts';
import { openClassifier } from '../../src/trainer/tasks/classification/classifier.ts';
import { readRows } from './read-rows.ts';
import { openCheckpoints } from '../../src/trainer/checkpoint/checkpoints.ts';
import { openEvents } from '../../src/trainer/event-file.ts';
import { readTrainFile, type TrainerEvent } from '../../src/trainer/protocol.ts';
import { openWorkers } from '../../src/trainer/workers/index.ts';

class Killed extends Error {}

/** What is left in the memory of a trainer that came to its end. */
export interface Left {
  readonly weights: readonly (readonly [string, Buffer])[];
  readonly state: TrainingState;
  readonly written: TrainerEvent[];
}

interface Way {
  readonly memory: Backend['memory'];
  readonly isTrainable: (name: string) => boolean;
}

/** The trainer's own parts, in this process: ends after step `killedAt` as a process that is killed there would, with what is on the disk. */
export async function runUntil(folder: string, killedAt: number, { memory = 'process', ...way }: Partial<Way> = {}): Promise<Left | null> {
  const events = openEvents(folder, () => new Date(0));
  const file = readTrainFile(folder);
  const { start } = events.past;
  const kernels = chooseKernels(file.backend, start);
  events.write({ type: 'trainer-started', nonce: file.nonce, attempt: 1, pid: 1, backend: file.backend, kernels });
  const opened = { ...openClassifier(await startBackend(file.backend, kernels), file.model, file.training.adapter), ...way };
  const count = (file.threads ?? 1) - 1;
  const helpers = count > 0 ? await openWorkers(opened, { count, backend: file.backend, kernels }) : undefined;
  const classifier = { ...opened, helpers };
  const data = {
    rows: (await readRows(classifier, join(folder, file.rows.train))).rows,
    validation: (await readRows(classifier, join(folder, file.rows.validation!))).rows,
    settings: file.training,
  };
  events.write({ type: 'data-read', rows: data.rows.length, validationRows: data.validation.length, truncated: 0, steps: 60 });
  const state = createTrainingState(classifier.tf, file.training, memory);
  let clock = 0;
  const now = (): number => clock++;
  const checkpoints = openCheckpoints({ folder, file, kernels, network: classifier, state, events, began: 0, now });
  if (start !== null) checkpoints.resume();
  const written: TrainerEvent[] = [];
  try {
    train(classifier, data, {
      state,
      write: (event) => {
        written.push({ at: '', ...event });
        events.write(event);
      },
      readControlRequest: () => null,
      afterStep: (isEpochEnd) => {
        checkpoints.afterStep(isEpochEnd);
        if (state.step === killedAt) throw new Killed();
      },
      now,
    });
    const weights = [...classifier.parameters].map(([name, tensor]) => [name, Buffer.from(tensor.dataSync().slice().buffer)] as const);
    return { weights, state, written };
  } catch (error) {
    if (error instanceof Killed) return null;
    throw error;
  } finally {
    await helpers?.close();
    closeNetwork(classifier);
    events.close();
  }
}

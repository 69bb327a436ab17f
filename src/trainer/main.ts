/**
 * The trainer process.
 *
 *     main.ts train FOLDER [QUEUE]   trains what FOLDER/train.json says and writes FOLDER/events.jsonl; waits for its turn in QUEUE (JSON)
 *     main.ts predict                answers rows of standard input on standard output
 *     main.ts generate               continues texts of standard input on standard output
 *     main.ts check BACKEND [SHAPE]  takes real training steps, of a small network or of this one (JSON), and prints loss and time
 */
import { failureKinds, toFailureData } from '../errors.ts';
import { isBackendName } from './backends/index.ts';
import { explainMemory } from './memory.ts';
import { Queue } from './queue.ts';
import { CheckShape } from './check-protocol.ts';
import { runCheck } from './run-check.ts';
import { runGeneration } from './run-generation.ts';
import { runPrediction } from './run-prediction.ts';
import { runTraining } from './run-training.ts';

const [command, argument, more] = process.argv.slice(2);
const log = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
try {
  if (command === 'train' && argument !== undefined) {
    const place = more === undefined ? null : Queue.parse(JSON.parse(more));
    process.exitCode = await runTraining(argument, log, place);
  } else if (command === 'predict') await runPrediction(process.stdin, process.stdout);
  else if (command === 'generate') await runGeneration(process.stdin, process.stdout);
  else if (command === 'check' && isBackendName(argument)) {
    const shape = more === undefined ? undefined : CheckShape.parse(JSON.parse(more));
    process.stdout.write(`${JSON.stringify(await runCheck(argument, shape))}\n`);
  } else {
    log('usage: main.ts train FOLDER [QUEUE] | main.ts predict | main.ts generate | main.ts check BACKEND [SHAPE]');
    process.exitCode = failureKinds.usage.exit;
  }
} catch (error) {
  log(JSON.stringify({ failure: toFailureData(explainMemory(error)) }));
  process.exitCode = 1;
}

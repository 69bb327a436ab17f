/**
 * The trainer process.
 *
 *     main.ts train FOLDER [QUEUE]   trains what FOLDER/train.json says and writes FOLDER/events.jsonl; waits for its turn in QUEUE (JSON)
 *     main.ts predict                answers rows of standard input on standard output
 *     main.ts check BACKEND          takes a real training step of a small network and prints its loss and time
 */
import { failureKinds, toFailureData } from '../errors.ts';
import { isBackendName } from './backends/index.ts';
import { explainMemory } from './memory.ts';
import { Queue } from './queue.ts';
import { runCheck } from './run-check.ts';
import { runPrediction } from './run-prediction.ts';
import { runTraining } from './run-training.ts';

const [command, argument, queue] = process.argv.slice(2);
const log = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
try {
  if (command === 'train' && argument !== undefined) {
    const place = queue === undefined ? null : Queue.parse(JSON.parse(queue));
    process.exitCode = await runTraining(argument, log, place);
  } else if (command === 'predict') await runPrediction(process.stdin, process.stdout);
  else if (command === 'check' && isBackendName(argument)) process.stdout.write(`${JSON.stringify(await runCheck(argument))}\n`);
  else {
    log('usage: main.ts train FOLDER [QUEUE] | main.ts predict | main.ts check BACKEND');
    process.exitCode = failureKinds.usage.exit;
  }
} catch (error) {
  log(JSON.stringify({ failure: toFailureData(explainMemory(error)) }));
  process.exitCode = 1;
}

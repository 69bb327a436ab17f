/**
 * The trainer process.
 *
 *     main.ts train FOLDER    trains what FOLDER/train.json says and writes FOLDER/events.jsonl
 *     main.ts predict         answers rows of standard input on standard output
 *     main.ts check BACKEND   takes a real training step of a small network and prints its loss and time
 */
import { failureKinds, toFailureData } from '../errors.ts';
import { isBackendName } from './backends/index.ts';
import { explainMemory } from './memory.ts';
import { runCheck } from './run-check.ts';
import { runPrediction } from './run-prediction.ts';
import { runTraining } from './run-training.ts';

const [command, argument] = process.argv.slice(2);
const log = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
try {
  if (command === 'train' && argument !== undefined) process.exitCode = await runTraining(argument, log);
  else if (command === 'predict') await runPrediction(process.stdin, process.stdout);
  else if (command === 'check' && isBackendName(argument)) process.stdout.write(`${JSON.stringify(await runCheck(argument))}\n`);
  else {
    log('usage: main.ts train FOLDER | main.ts predict | main.ts check BACKEND');
    process.exitCode = failureKinds.usage.exit;
  }
} catch (error) {
  log(JSON.stringify({ failure: toFailureData(explainMemory(error)) }));
  process.exitCode = 1;
}

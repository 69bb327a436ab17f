/**
 * The trainer process.
 *
 *     main.ts train FOLDER    trains what FOLDER/train.json says and tells in FOLDER/events.jsonl
 *     main.ts predict         answers rows of standard input on standard output
 */
import { failureKinds, toFailureData } from '../failure.ts';
import { runPrediction } from './run-prediction.ts';
import { runTraining } from './run-training.ts';

const [command, folder] = process.argv.slice(2);
const log = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
try {
  if (command === 'train' && folder !== undefined) process.exitCode = await runTraining(folder, log);
  else if (command === 'predict') await runPrediction(process.stdin, process.stdout);
  else {
    log('usage: main.ts train FOLDER | main.ts predict');
    process.exitCode = failureKinds.usage.exit;
  }
} catch (error) {
  log(JSON.stringify({ failure: toFailureData(error) }));
  process.exitCode = 1;
}

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
try {
  if (command === 'train' && folder !== undefined) process.exitCode = await runTraining(folder);
  else if (command === 'predict') await runPrediction(process.stdin, process.stdout);
  else {
    process.stderr.write('usage: main.ts train FOLDER | main.ts predict\n');
    process.exitCode = failureKinds.usage.exit;
  }
} catch (error) {
  process.stderr.write(`${JSON.stringify({ failure: toFailureData(error) })}\n`);
  process.exitCode = 1;
}

import { Failure } from '../../errors.ts';
import type { TrainingTask } from '../../evaluate/training-rows.ts';
import type { Cli } from '../cli.ts';
import { toTrainingText } from '../views/capture-view.ts';

interface Flags {
  readonly out?: string;
  readonly task?: string;
}

/** `orchestrate data from-predictions FILE --out train.jsonl`: the answers of a predictions file as training rows. */
export async function data(cli: Cli, [action, file]: readonly string[], { out, task }: Flags): Promise<number> {
  if (action !== 'from-predictions') throw new Failure('usage', `expected the action from-predictions, found ${JSON.stringify(action)}`);
  if (out === undefined || !/\.jsonl$/i.test(out)) {
    throw new Failure('usage', `expected --out and a file that ends in .jsonl, found ${out ?? 'none'}`);
  }
  const { writeTrainingRows } = await import('../../evaluate/training-rows.ts');
  const rows = await writeTrainingRows(file!, { out, ...(task !== undefined && { task: parseTask(task) }) });
  if (cli.json) cli.terminal.print(JSON.stringify({ path: out, ...rows }));
  else cli.terminal.print(cli.quiet ? out : toTrainingText(out, rows));
  return 0;
}

/** @throws Failure `usage` */
function parseTask(task: string): TrainingTask {
  if (task === 'classification' || task === 'chat') return task;
  throw new Failure('usage', `--task expects classification or chat, found "${task}"`);
}

/**
 *     node test/trainer/kill-trainer.ts --count N --seed S
 *
 * Kills N processes that write checkpoints and N that train, on both backends, at moments that the seed draws; the last line counts
 * the kills after which everything was right, and the problems.
 */
import { parseArgs } from 'node:util';
import { killTraining, killWriters } from './kills.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } });
const [count, seed] = [Number(values.count), Number(values.seed)];
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const lora = { type: 'lora', rank: 2, alpha: 4, dropout: 0.1, targets: null, rankStabilized: false } as const;
const problems: string[] = [];
const writers = await killWriters(count, { seed, withinMs: Infinity });
print(`${writers.kills} writers of checkpoints killed, ${writers.problems.length} problems`);
problems.push(...writers.problems);

let trainers = 0;
for (let round = 0; trainers < count && problems.length === 0; round++) {
  const backend = round % 2 === 0 ? 'wasm' : 'cpu';
  const large = round % 4 === 0;
  const isLora = round % 4 === 1 || round % 4 === 2; // on both backends
  const threads = round % 8 === 2 || round % 8 === 4 ? 2 : 1;
  const found = await killTraining(Math.min(12, count - trainers), {
    seed: seed + round,
    backend,
    large,
    threads,
    ...(isLora && { adapter: lora }),
  });
  const trained = `${large ? 'small' : 'tiny'} model${isLora ? ', LoRA' : ''}, ${threads === 1 ? 'one thread' : `${threads} threads`}`;
  print(`${found.kills} trainers killed on ${backend} (${trained}), ${found.problems.length} problems`);
  trainers += found.kills;
  if (found.kills === 0) problems.push('no trainer could be killed in time');
  problems.push(...found.problems);
}
for (const problem of problems) print(problem);
print(`${writers.kills + trainers - problems.length} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;

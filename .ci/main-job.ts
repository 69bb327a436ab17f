/*
 * node .ci/main-job.ts RESULT: checks what `orchestrate submit --wait --json` printed for the sentiment job. Exit 0 where the tuned
 * model reaches the bar, 3 where it does not, 1 where the document says no accuracy.
 */
import { readFileSync } from 'node:fs';

const bar = 0.84;
const belowBar = 3;

interface Candidate {
  readonly name: string;
  readonly measures: { readonly accuracy?: number };
}

interface Result {
  readonly comparisons: readonly { readonly candidates: readonly Candidate[] }[];
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('expected one argument: the file with the printed document');
const result = JSON.parse(readFileSync(path, 'utf8')) as Result;
const tuned = result.comparisons.flatMap(({ candidates }) => candidates).filter(({ name }) => name === 'laptop');
const accuracy = tuned[0]?.measures.accuracy;
if (tuned.length !== 1 || typeof accuracy !== 'number') throw new Error(`expected one candidate "laptop" with an accuracy in ${path}`);

console.log(`accuracy ${accuracy}, the bar is ${bar}`);
process.exitCode = accuracy >= bar ? 0 : belowBar;

/**
 *     node test/import/kill-imports.ts
 *
 * Imports a job of each kind out of an account of 250, and kills the process after every request; the last line counts the kills after
 * which everything was right, and the problems.
 */
import { killImports } from './killed-imports.ts';
import { createUsedAccount, jobKinds } from './used-account.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await using account = await createUsedAccount();
let kills = 0;
const problems: string[] = [];
for (const kind of jobKinds) {
  const found = await killImports(account, { id: account.jobs[kind][0]! });
  print(`${kind}: killed after each of ${found.kills} requests, ${found.problems.length} problems`);
  kills += found.kills;
  problems.push(...found.problems);
}
for (const problem of problems) print(problem);
print(`${kills - problems.length} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;

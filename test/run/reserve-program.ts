/** A process that sets a dollar aside many times, and prints how often that was refused: FOLDER NAME TIMES BUDGET. */
import { isFailure } from '../../src/errors.ts';
import { reserve } from '../../src/run/budget.ts';
import { openStore } from '../../src/store/open-store.ts';

const [folder, name, times, budgetUsd] = process.argv.slice(2);
const store = openStore(folder ?? '');
let refused = 0;
for (let i = 0; i < Number(times); i++) {
  try {
    const charge = { id: `${name ?? ''}-${i}`, job: 'job', workspace: null, purpose: 'evaluation', usd: 1, at: '' } as const;
    await reserve(store, { ...charge, budgetUsd: Number(budgetUsd) });
  } catch (error) {
    if (!isFailure(error, 'budget-exceeded')) throw error;
    refused++;
  }
}
await store.destroy();
process.stdout.write(String(refused));

import { inParallel } from './in-parallel.ts';
import { plans } from './plans.ts';
import { toNaiveProduct } from './product.ts';
import { runProgram } from './start-program.ts';
import { inTrial, toBillFaults, type Bench, type Outcome } from './trial.ts';

/** The plans in which a request that may cost goes wrong, or nothing does; the client waits longer than the harness for the others. */
const names = ['ok', 'drop-before', 'drop-after', '500-before', '500-after', 'hang-after', 'cut'];

/**
 * The official client with its defaults in the same trials: killed at a boundary and started again until it ends well. One outcome, whose
 * fault it would be if nothing was paid for twice: the harness could not see it then.
 */
export async function countNaivePayments(bench: Bench): Promise<Outcome> {
  const { create } = bench.service.requests;
  const boundaries = [`before fetch ${create}`, `after fetch ${create}`, 'nowhere'];
  const trials = names.flatMap((name) => boundaries.map((at) => async () => await payNaively(bench, { name, at })));
  const bills = await inParallel(trials);
  const double = bills.filter((bill) => bill > 1).length;
  const faults = double > 0 ? [] : [`expected the naive client to pay twice, found ${bills.join(', ')}`];
  return {
    name: `naive client: ${double} of ${bills.length} paid twice`,
    kills: 0,
    adopted: false,
    attempts: 1,
    attention: false,
    bill: 1,
    faults,
  };
}

async function payNaively(bench: Bench, { name, at }: { name: string; at: string }): Promise<number> {
  let bill = 0;
  const naive = { ...bench, product: toNaiveProduct(bench.service.naive!) };
  await inTrial(naive, { name, plan: plans[name]!, onUncertain: 'retry' }, async (machine) => {
    const one = await runProgram(machine, [], { at });
    for (let tries = 0; tries < 3 && (await runProgram(machine, [])).status !== 0; tries++);
    const account = await bench.service.readAccount(machine.fixture);
    bill = account.bill.length;
    const kills = Number(one.signal === 'SIGKILL');
    return { name, kills, adopted: false, attempts: 1, attention: false, bill, faults: toBillFaults(account).slice(1) };
  });
  return bill;
}

import { join } from 'node:path';
import { plans } from './plans.ts';
import { copyProduct, type Change } from './product.ts';
import { freezeAndThaw, restoreState, toPayment, twoMachines } from './scenarios.ts';
import { killTwice, type Bench, type Outcome, type Setting } from './trial.ts';

/** One thing left out of the protocol, and what must then go wrong. */
interface Mutant {
  readonly name: string;
  readonly changes: readonly Change[];
  run(bench: Bench, setting: Setting): Promise<Outcome>;
  /** What the harness must say. */
  readonly says: string;
}

const lost: Setting = { name: 'lost', plan: plans['stale']!, onUncertain: 'retry' };

const mutants: readonly Mutant[] = [
  {
    name: 'no stored intent',
    changes: [
      {
        file: 'src/run/advance.ts',
        from: 'const outcome = await create(provider, { wire, attempt }, context);\n  const stored = await append([outcome]);',
        to: 'const stored = await append([{ type: "submission-intended", attempt, wire, hash: hashJson(wire) }, outcome]);',
      },
      {
        file: 'src/run/advance.ts',
        from: "const intended = await append([{ type: 'submission-intended', attempt, wire, hash: hashJson(wire) }]);",
        to: 'const intended = run; const outcome = await create(provider, { wire, attempt }, context);',
      },
    ],
    // Killed when the answer is there, and started again before the job is listed.
    run: async (bench, setting) =>
      await killTwice(bench, { ...setting, plan: { listLagMs: 5000 }, leaseMs: 1 }, ['after fetch POST jobs', 'nowhere']),
    says: 'DOUBLE',
  },
  {
    name: 'no look before the submission',
    changes: [
      {
        file: 'src/run/advance.ts',
        from: 'const found = await adoptOldestJob(step.provider, step.run.record, step.context);',
        to: 'const found = null as Awaited<ReturnType<typeof adoptOldestJob>>;',
      },
    ],
    run: async (bench, setting) => await restoreState(bench, setting, null),
    says: 'DOUBLE',
  },
  {
    name: 'no fence',
    changes: [
      { file: 'src/run/reconcile.ts', from: 'await provider.training.fence(record.prepared[record.attempt - 1], context);', to: '' },
    ],
    run: async (bench, setting) => await freezeAndThaw(bench, { ...setting, plan: {} }, toPayment(bench)),
    says: 'DOUBLE',
  },
  {
    name: 'no wait until a job is listed',
    changes: [
      { file: 'src/run/reconcile.ts', from: 'if (age() < provider.listingDelayMs)', to: 'if (age() < 0)' },
      {
        file: 'src/run/reconcile.ts',
        from: 'for (const ms of [provider.listingDelayMs, provider.listingDelayMs / 10])',
        to: 'for (const ms of [0, 0])',
      },
    ],
    run: async (bench, setting) => await killTwice(bench, setting, ['nowhere', 'nowhere']),
    says: 'DOUBLE',
  },
  {
    name: 'no second look after the submission',
    changes: [{ file: 'src/run/poll.ts', from: 'if (isChecked ||', to: 'if (!isChecked ||' }],
    run: async (bench, setting) => await twoMachines(bench, { ...setting, plan: {} }),
    says: 'expected one job that goes on, found 2',
  },
];

/** Builds each mutant, or those with these names, and has the harness find it: one outcome each, with a fault where it was not found. */
export async function findMutants(bench: Bench, names = mutants.map(({ name }) => name)): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, changes, run, says } of mutants.filter((mutant) => names.includes(mutant.name))) {
    const product = copyProduct(join(bench.scratch, name.replaceAll(' ', '-')), changes);
    let outcome = await run({ ...bench, product }, { ...lost, name });
    // On a busy machine a request may be given up, and the moment missed.
    for (let tries = 1; tries < 3 && !isFoundIn(outcome, says); tries++) outcome = await run({ ...bench, product }, { ...lost, name });
    const isFound = isFoundIn(outcome, says);
    const faults = isFound ? [] : [`not caught: ${name}; the harness says: ${outcome.faults.join('\n') || 'nothing'}`];
    outcomes.push({ ...outcome, bill: 0, faults });
  }
  return outcomes;
}

function isFoundIn({ faults }: Outcome, says: string): boolean {
  return faults.some((fault) => fault.includes(says));
}

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listingDelayMs, type CreateFault } from './model-service.ts';
import { createModelFixture, leaseMs, type Command, type Mutant } from './model-fixture.ts';

/*
 * Sequences of everything that can go wrong, on the real protocol and the real store: MODEL_RUNS=20000 MODEL_SEED=7 for more, or others.
 */
const runs = Number(process.env['MODEL_RUNS'] ?? 1000);
const seed = Number(process.env['MODEL_SEED'] ?? 1);

const worker = fc.constantFrom(0, 1);
const second = 1000;
const hour = 3600 * second;

const fault: fc.Arbitrary<CreateFault> = fc.oneof(
  { weight: 3, arbitrary: fc.constant('ok' as const) },
  { weight: 4, arbitrary: fc.constantFrom('lost' as const, 'answer-lost' as const, 'limited' as const, 'not-sent' as const) },
  { weight: 2, arbitrary: fc.record({ lateMs: fc.integer({ min: 1, max: 3 * listingDelayMs }) }) },
  // Just when a settlement has looked and is about to fence.
  { weight: 2, arbitrary: fc.record({ lateMs: fc.integer({ min: listingDelayMs, max: listingDelayMs + 20 }) }) },
);

const step = fc.record({
  type: fc.constant('step' as const),
  worker,
  mayCreate: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  fault,
  listLagMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: listingDelayMs - 1 })),
  cut: fc.option(fc.record({ how: fc.constantFrom('crash' as const, 'freeze' as const), at: fc.integer({ min: 1, max: 20 }) })),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: step },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('thaw' as const), worker }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(10, 100, listingDelayMs, leaseMs + 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('jump' as const),
      ms: fc.constantFrom(-240 * hour, -hour, -second, second, hour, 240 * hour),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('cancel' as const, 'lose-state' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('copy-state' as const, 'restore-state' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('finish-jobs' as const, 'fail-read' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('decide' as const), kind: fc.constantFrom('absent' as const, 'cancel' as const), worker }),
  },
);

async function check(mutant: Mutant | null, parameters: fc.Parameters<['ask' | 'retry', Command[]]>): Promise<Set<string>> {
  const ends = new Set<string>();
  const property = fc.asyncProperty(
    fc.constantFrom('ask' as const, 'retry' as const),
    fc.array(command, { maxLength: 25, size: 'max' }),
    async (onUncertain, commands) => {
      const fixture = await createModelFixture(onUncertain, mutant);
      for (const one of commands) await fixture.perform(one);
      const { state, attempts, bill } = await fixture.finish();
      ends.add(`${state}, attempt ${attempts}, paid ${bill}`);
    },
  );
  await fc.assert(property, parameters);
  return ends;
}

test(`after any of ${runs} sequences of faults a run has been paid for at most once, and ends (seed ${seed})`, async () => {
  const ends = await check(null, { numRuns: runs, seed });
  // The sequences do reach what they are about.
  expect(ends).toContain('succeeded, attempt 1, paid 1');
  expect(ends).toContain('succeeded, attempt 2, paid 1');
  expect(ends).toContain('cancelled, attempt 1, paid 0');
  expect(ends).toContain('attention, attempt 1, paid 1');
}, 600_000);

test.each(['no intent', 'no look', 'no fence', 'no wait'] as const)('a protocol with %s is caught', async (mutant) => {
  const caught = check(mutant, { numRuns: 4000, seed: 1, endOnFailure: true });
  await expect(caught).rejects.toMatchObject({ cause: { message: expect.stringMatching(/^DOUBLE|goes on$|is lost$/) as string } });
});

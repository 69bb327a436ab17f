import { expect, test } from 'vitest';
import { checkAgreement } from './agreement.ts';

const seed = Number(process.env['SEED'] ?? 20261201);

test(`two readers agree on the verdict and the line of 20,000 files (SEED=${seed})`, async () => {
  const { kinds, disagreement } = await checkAgreement({ count: 20_000, seed });
  expect(disagreement).toBeNull();
  expect(kinds).toBeGreaterThan(50);
});

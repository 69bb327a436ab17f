import { expect, test } from 'vitest';
import type { ConformanceTest } from '../../src/testing/index.ts';

/** Runs conformance tests; those that cannot be checked are reported as skipped, with the reason in their titles. */
export function testConformance(tests: readonly ConformanceTest[]): void {
  test.each(tests.filter(({ skipped }) => skipped === null))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
  test.skipIf(true).each(tests.filter(({ skipped }) => skipped !== null))('$name (skipped: $skipped)', ({ skipped }) => {
    expect(skipped).toBeNull();
  });
}

/** The conformance tests of providers, for any test framework. They need nothing but `node:assert`. */
import { createHistories } from './environment.ts';
import { createControlTests } from './control.ts';
import { createObserveTests } from './observe.ts';
import { createSubmitTests } from './submit.ts';
import type { ConformanceEnvironment, ConformanceTarget, ConformanceTest } from './target.ts';
import { createTranslateTests } from './translate.ts';

export { httpTests } from './http.ts';
export type * from './target.ts';
export type { HttpFault } from './http-fault.ts';

/**
 * What every provider promises. The tests are independent and may run in any order; those that the provider or the target makes
 * impossible are to be skipped.
 *
 *     for (const { name, skipped, run } of contractTests(target)) test(name, { skip: skipped ?? false }, run); // node:test
 */
export function contractTests<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
): readonly ConformanceTest[] {
  const getHistory = createHistories(target);
  return [
    ...createTranslateTests(target),
    ...createSubmitTests(target),
    ...createObserveTests(target, getHistory),
    ...createControlTests(target, getHistory),
  ];
}

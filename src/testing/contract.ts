import { createCallTests } from './calls.ts';
import { createLives } from './life.ts';
import { createObserveTests } from './observe.ts';
import { createSecretTest } from './secrets.ts';
import { createControlTests } from './controls.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import { createSubmitTests } from './submit.ts';
import { createTranslateTests } from './translate.ts';

/**
 * What every provider promises, as checks for any test framework:
 *
 *     for (const law of contractLaw(subject)) test(law.name, law.check);
 *
 * The checks are independent and may run in any order. What a provider or a subject lacks is not checked; the law's name says so.
 */
export function contractTests<World extends ConformanceEnvironment>(subject: ConformanceTarget<World>): readonly ConformanceTest[] {
  const lives = createLives(subject);
  return [
    ...createTranslateTests(subject),
    ...createSubmitTests(subject),
    ...createCallTests(subject),
    ...createObserveTests(subject, lives),
    ...createControlTests(subject),
    createSecretTest(subject, lives),
  ];
}

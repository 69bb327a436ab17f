import { toCallLaws } from './calls.ts';
import { createLives } from './life.ts';
import { toObserveLaws } from './observe.ts';
import { toSecretLaw } from './secrets.ts';
import { toSteerLaws } from './controls.ts';
import type { Law, LawSubject, LawWorld } from './subject.ts';
import { toSubmitLaws } from './submit.ts';
import { toTranslateLaws } from './translate.ts';

/**
 * What every provider promises, as checks for any test framework:
 *
 *     for (const law of contractLaw(subject)) test(law.name, law.check);
 *
 * The checks are independent and may run in any order. What a provider or a subject lacks is not checked; the law's name says so.
 */
export function contractLaw<World extends LawWorld>(subject: LawSubject<World>): readonly Law[] {
  const lives = createLives(subject);
  return [
    ...toTranslateLaws(subject),
    ...toSubmitLaws(subject),
    ...toCallLaws(subject),
    ...toObserveLaws(subject, lives),
    ...toSteerLaws(subject),
    toSecretLaw(subject, lives),
  ];
}

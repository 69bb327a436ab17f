import { toCallLaws } from './law-calls.ts';
import { createLives } from './law-life.ts';
import { toObserveLaws } from './law-observe.ts';
import { toSecretLaw } from './law-secrets.ts';
import { toSteerLaws } from './law-steer.ts';
import type { Law, LawSubject, LawWorld } from './law-subject.ts';
import { toSubmitLaws } from './law-submit.ts';
import { toTranslateLaws } from './law-translate.ts';

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

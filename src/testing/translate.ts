import { isDeepStrictEqual } from 'node:util';
import { isFailure } from '../errors.ts';
import { expectEqual, expectJson, expectThat, freezeDeep, createTest } from './checks.ts';
import { toProbes, toStrangeInputs, toWrittenFields } from './inputs.ts';
import type { ConformanceTest, ConformanceTarget } from './subject.ts';
import type { Note } from '../provider/note.ts';
import type { Provider, Translation, TranslationInput } from '../provider/provider.ts';
import { openPhases, terminalPhases } from '../provider/status.ts';
import { hashJson } from '../lib/json.ts';

type Inputs = Readonly<Record<string, TranslationInput>>;
type FieldNote = Exclude<Note, { type: 'warning' }>;

/** What `translate` promises, and what else a provider says without a service. */
export function createTranslateTests({
  provider,
  inputs: { base, different, same = {} },
}: Pick<ConformanceTarget, 'provider' | 'inputs'>): ConformanceTest[] {
  const accepted: Inputs = { base, ...different, ...same };
  const probes = toProbes(base);
  const probed: Inputs = Object.fromEntries(probes.flatMap(({ field, inputs }) => inputs.map((input, i) => [`${field} ${i}`, input])));
  const forEachTranslation = (check: (what: string, input: TranslationInput, translation: Translation<unknown>) => void): void => {
    for (const [label, input] of Object.entries({ ...probed, ...accepted })) {
      const translation = label in accepted ? translate(provider, input) : translateIfAccepted(provider, input);
      if (translation !== null) check(`translate of "${label}"`, input, translation);
    }
  };

  const checkLooks = (): void => {
    expectThat(/^[a-z0-9-]{1,32}$/.test(provider.id), 'id', '1 to 32 characters of a-z, 0-9 and "-"', provider.id);
    expectThat(Object.isFrozen(provider), 'the provider', 'a frozen object, as defineProvider gives it', 'one that can be changed');
    const { listingDelayMs, statusMap, onUncertain, rate, training } = provider;
    expectThat(Number.isFinite(listingDelayMs) && listingDelayMs >= 0, 'listingDelayMs', 'milliseconds, 0 or more', listingDelayMs);
    const isProved = onUncertain !== 'retry' || training.fence !== undefined;
    expectThat(isProved, 'onUncertain', '"ask", since only a fence makes "retry" safe', onUncertain);
    const isRate = rate === undefined || (rate.perSecond > 0 && rate.burst >= 1);
    expectThat(isRate, 'rate', 'more than 0 a second, and 1 or more at once', rate);
    const phases: readonly string[] = [...openPhases, ...terminalPhases];
    for (const [word, phase] of Object.entries(statusMap)) {
      expectThat(phases.includes(phase), `statusMap["${word}"]`, `one of ${phases.join(', ')}`, phase);
    }
  };
  const checkFrozen = (): void => {
    for (const [label, input] of Object.entries(accepted)) {
      const open = structuredClone(input);
      const fromOpen = provider.training.translate(open);
      expectEqual(`the input "${label}" after translate`, open, input);
      expectEqual(`translate of "${label}", frozen`, provider.training.translate(freezeDeep(structuredClone(input))), fromOpen);
    }
  };
  const checkSame = (): void => {
    const { spec } = base;
    const reversed = { ...base, spec: { ...spec, training: toReversed(spec.training), options: toReversed(spec.options) } };
    const measured = { ...base, spec: { ...spec, evaluation: { ...spec.evaluation, margin: spec.evaluation.margin + 0.01 } } };
    const alike = { ...same, 'fields in another order': reversed, 'another margin of the evaluation': measured };
    const { request } = translate(provider, base);
    for (const [label, input] of Object.entries(alike)) expectEqual(`request of "${label}"`, translate(provider, input).request, request);
  };

  return [
    createTest('the provider is frozen, with a plain id and words for phases that there are', null, async () => await run(checkLooks)),
    createTest('translate gives the same for the same input', null, async () => {
      await run(() =>
        forEachTranslation((what, input, translation) => expectEqual(`${what}, again`, translate(provider, input), translation)),
      );
    }),
    createTest('translate takes a frozen input and changes nothing in it', null, async () => await run(checkFrozen)),
    createTest('translate gives JSON', null, async () => {
      await run(() => forEachTranslation((what, _input, translation) => expectJson(what, translation)));
    }),
    createTest('every field that was written ends in a note', null, async () => await run(() => forEachTranslation(checkNoted))),
    createTest('a note repeats what was written', null, async () => await run(() => forEachTranslation(checkNoteValues))),
    createTest('different meanings give different requests', null, async () => {
      await run(() => {
        checkDifferent(provider, { base, ...different });
        for (const { field, inputs } of probes) checkProbe(provider, field, inputs);
      });
    }),
    createTest('the same meaning gives the same request', null, async () => await run(checkSame)),
    createTest('what cannot be translated is refused with a Failure', null, async () => {
      await run(() => {
        for (const [label, input] of Object.entries({ ...probed, ...toStrangeInputs(base) })) checkRefusal(provider, label, input);
      });
    }),
  ];
}

/** A check without waiting, as the promise that a law is. */
async function run(check: () => void): Promise<void> {
  await Promise.resolve().then(check);
}

/** On a copy: a provider that changes its input must not spoil the next law's. */
function translate(provider: Provider, input: TranslationInput): Translation<unknown> {
  return provider.training.translate(structuredClone(input));
}

function translateIfAccepted(provider: Provider, input: TranslationInput): Translation<unknown> | null {
  try {
    return translate(provider, input);
  } catch {
    return null; // how it is refused is another law's
  }
}

/** Notes that say what became of a written field. `defaulted` says that nobody wrote it. */
function toNotesOf(field: string, notes: readonly Note[]): Exclude<FieldNote, { type: 'defaulted' }>[] {
  return notes
    .filter((note) => note.type !== 'warning' && note.type !== 'defaulted')
    .filter(
      (note) => note.field === field || note.field.startsWith(`${field}.`) || (note.field === 'prompt' && field.startsWith('prompt.')),
    );
}

function checkNoted(what: string, { spec }: TranslationInput, { notes }: Translation<unknown>): void {
  const fields = new Set([...toWrittenFields(spec).keys(), ...spec.requirements.map((field) => `training.${field}`)]);
  for (const field of fields) {
    const expected = `a note on ${field} that is sent, converted or unsupported`;
    expectThat(toNotesOf(field, notes).length > 0, what, expected, notes);
  }
}

function checkNoteValues(what: string, { spec }: TranslationInput, { notes }: Translation<unknown>): void {
  for (const [field, written] of toWrittenFields(spec)) {
    for (const note of toNotesOf(field, notes).filter((of) => of.field === field)) {
      expectEqual(`${what}: the note "${note.type}" on ${field}`, note.type === 'converted' ? note.from : note.value, written);
    }
  }
}

function checkDifferent(provider: Provider, inputs: Inputs): void {
  const seen = new Map<string, string>();
  for (const [label, input] of Object.entries(inputs)) {
    const hash = hashJson(translate(provider, input).request);
    expectThat(!seen.has(hash), `request of "${label}"`, 'one of its own', `the same as that of "${seen.get(hash)}"`);
    seen.set(hash, label);
  }
}

/** Two values that are both said to reach the service must make two requests. */
function checkProbe(provider: Provider, field: string, inputs: readonly [TranslationInput, TranslationInput]): void {
  const [one, other] = inputs.map((input) => translateIfAccepted(provider, input));
  if (one == null || other == null) return;
  const toSent = ({ notes }: Translation<unknown>): unknown[] =>
    toNotesOf(field, notes).flatMap((note) => (note.type === 'unsupported' ? [] : [note.value]));
  const [sent, sentOther] = [toSent(one), toSent(other)];
  if (sent.length === 0 || sentOther.length === 0 || isDeepStrictEqual(sent, sentOther)) return;
  const found = `the same request with ${JSON.stringify(sent)} and with ${JSON.stringify(sentOther)}`;
  expectThat(hashJson(one.request) !== hashJson(other.request), field, 'two requests, as the notes say that it is sent', found);
}

function toReversed<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).reverse()) as T;
}

function checkRefusal(provider: Provider, label: string, input: TranslationInput): void {
  try {
    translate(provider, input);
  } catch (error) {
    const expected = 'a translation, or a Failure "job-file-invalid"';
    expectThat(isFailure(error, 'job-file-invalid'), `translate of "${label}"`, expected, error);
  }
}

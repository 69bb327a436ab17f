import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';
import { isFailure } from '../errors.ts';
import type { Training, TrainingField } from '../job/job-spec.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { hashJson } from '../lib/json.ts';
import type { Note } from '../provider/note.ts';
import type { Provider, Translation, TranslationInput } from '../provider/provider.ts';
import { openPhases, terminalPhases } from '../provider/status.ts';
import { assertEqual, assertJson } from './assertions.ts';
import { createTest } from './environment.ts';
import type { ConformanceTarget, ConformanceTest } from './target.ts';

type Inputs = Readonly<Record<string, TranslationInput>>;
type AnyTranslation = Translation<unknown>;

/** What `translate` promises, and what else a provider says without a service. */
export function createTranslateTests({
  provider,
  inputs: { base, different, same = {} },
}: Pick<ConformanceTarget, 'provider' | 'inputs'>): ConformanceTest[] {
  const accepted: Inputs = { base, ...different, ...same };
  const probes = listProbes(base);
  const probed: Inputs = Object.fromEntries(probes.flatMap(({ field, inputs }) => inputs.map((input, i) => [`${field} ${i}`, input])));
  const create = (name: string, check: () => void): ConformanceTest => createTest(name, null, async () => await Promise.resolve(check()));
  const createForEach = (
    name: string,
    check: (what: string, input: TranslationInput, translation: AnyTranslation) => void,
  ): ConformanceTest =>
    create(name, () => {
      for (const [label, input] of Object.entries({ ...probed, ...accepted })) {
        const translation = label in accepted ? translate(provider, input) : translateIfAccepted(provider, input);
        if (translation !== null) check(`translate of "${label}"`, input, translation);
      }
    });
  return [
    create('the provider is frozen, with a plain id and a status map of known phases', () => checkProvider(provider)),
    createForEach('translate gives the same for the same input', (what, input, translation) =>
      assertEqual(`${what}, again`, translate(provider, input), translation),
    ),
    create('translate accepts a frozen input and changes nothing in it', () => {
      for (const [label, input] of Object.entries(accepted)) {
        const open = structuredClone(input);
        const translation = provider.training.translate(open);
        assertEqual(`the input "${label}" after translate`, open, input);
        assertEqual(`translate of "${label}", frozen`, provider.training.translate(freezeDeep(structuredClone(input))), translation);
      }
    }),
    createForEach('translate gives JSON', (what, _input, translation) => assertJson(what, translation)),
    createForEach('every field that was written ends in a note', checkNotes),
    createForEach('a note repeats what was written', checkNoteValues),
    create('different meanings give different requests', () => {
      checkDifferent(provider, { base, ...different });
      for (const { field, inputs } of probes) checkProbe(provider, field, inputs);
    }),
    create('the same meaning gives the same request', () => {
      const { request } = translate(provider, base);
      for (const [label, input] of Object.entries({ ...same, ...listSynonyms(base) }))
        assertEqual(`request of "${label}"`, translate(provider, input).request, request);
    }),
    create('what cannot be translated is refused with a Failure', () => {
      for (const [label, input] of Object.entries({ ...probed, ...listUnusualInputs(base) })) checkRefusal(provider, label, input);
    }),
  ];
}

export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freezeDeep);
  }
  return value;
}

/** On a copy: a provider that changes its input must not spoil the next test's. */
function translate(provider: Provider, input: TranslationInput): AnyTranslation {
  return provider.training.translate(structuredClone(input));
}

function translateIfAccepted(provider: Provider, input: TranslationInput): AnyTranslation | null {
  try {
    return translate(provider, input);
  } catch {
    return null; // another test checks how it is refused
  }
}

function checkProvider(provider: Provider): void {
  const { id, listingDelayMs, statusMap, onUncertain, rate, training } = provider;
  assert.match(id, /^[a-z0-9-]{1,32}$/, `id: expected 1 to 32 characters of a-z, 0-9 and "-", found "${id}"`);
  assert.ok(Object.isFrozen(provider), 'expected a frozen provider, as defineProvider gives it, found one that can be changed');
  assert.ok(listingDelayMs >= 0 && listingDelayMs < Infinity, `listingDelayMs: expected milliseconds, found ${listingDelayMs}`);
  const isProved = onUncertain !== 'retry' || training.fence !== undefined;
  assert.ok(isProved, 'onUncertain: expected "ask", since only a fence makes "retry" safe, found "retry"');
  const isRate = rate === undefined || (rate.perSecond > 0 && rate.burst >= 1);
  assert.ok(isRate, `rate: expected more than 0 per second, and 1 or more at once, found ${inspect(rate)}`);
  const phases: readonly string[] = [...openPhases, ...terminalPhases];
  for (const [word, phase] of Object.entries(statusMap))
    assert.ok(phases.includes(phase), `statusMap["${word}"]: expected one of ${phases.join(', ')}, found ${phase}`);
}

/** The notes that say what became of a written field. `defaulted` says that nobody wrote it. */
function listNotes(field: string, notes: readonly Note[]): Exclude<Note, { type: 'warning' | 'defaulted' }>[] {
  return notes
    .filter((note) => note.type !== 'warning' && note.type !== 'defaulted')
    .filter(
      (note) => note.field === field || note.field.startsWith(`${field}.`) || (note.field === 'prompt' && field.startsWith('prompt.')),
    );
}

/** Every field that an input writes, with its value: each must end in a note. */
function listWrittenFields({ training, prompt, options, native }: RunSpec): Map<string, unknown> {
  const groups: Readonly<Record<string, object>> = { training, prompt: prompt ?? {}, options, native };
  return new Map(
    Object.entries(groups).flatMap(([group, fields]) =>
      Object.entries(fields).map(([field, value]): [string, unknown] => [`${group}.${field}`, value]),
    ),
  );
}

function checkNotes(what: string, { spec }: TranslationInput, { notes }: AnyTranslation): void {
  const fields = new Set([...listWrittenFields(spec).keys(), ...spec.requirements.map((field) => `training.${field}`)]);
  for (const field of fields) {
    const expected = `a note on ${field} that is sent, converted or unsupported`;
    assert.ok(listNotes(field, notes).length > 0, `${what}: expected ${expected}, found ${inspect(notes)}`);
  }
}

function checkNoteValues(what: string, { spec }: TranslationInput, { notes }: AnyTranslation): void {
  for (const [field, written] of listWrittenFields(spec)) {
    for (const note of listNotes(field, notes).filter((of) => of.field === field))
      assertEqual(`${what}: the note "${note.type}" on ${field}`, note.type === 'converted' ? note.from : note.value, written);
  }
}

function checkDifferent(provider: Provider, inputs: Inputs): void {
  const seen = new Map<string, string>();
  for (const [label, input] of Object.entries(inputs)) {
    const hash = hashJson(translate(provider, input).request);
    assert.ok(!seen.has(hash), `expected a request of its own for "${label}", found the same as for "${seen.get(hash)}"`);
    seen.set(hash, label);
  }
}

/** Two values that are both said to reach the service must make two requests. */
function checkProbe(provider: Provider, field: string, inputs: readonly [TranslationInput, TranslationInput]): void {
  const [first, second] = inputs.map((input) => translateIfAccepted(provider, input));
  if (first == null || second == null) return;
  const listSent = ({ notes }: AnyTranslation): unknown[] =>
    listNotes(field, notes).flatMap((note) => (note.type === 'unsupported' ? [] : [note.value]));
  const [sent, sentSecond] = [listSent(first), listSent(second)];
  if (sent.length === 0 || sentSecond.length === 0 || isDeepStrictEqual(sent, sentSecond)) return;
  const isDifferent = hashJson(first.request) !== hashJson(second.request);
  assert.ok(
    isDifferent,
    `${field}: expected two requests, since notes say that it is sent, found the same for ${inspect([sent, sentSecond])}`,
  );
}

function checkRefusal(provider: Provider, label: string, input: TranslationInput): void {
  try {
    translate(provider, input);
  } catch (error) {
    const expected = 'a translation, or a Failure "job-file-invalid"';
    assert.ok(isFailure(error, 'job-file-invalid'), `translate of "${label}": expected ${expected}, found ${inspect(error)}`);
  }
}

/** Two values of every training field, so that a provider cannot forget one. */
const trainingValues: { readonly [F in TrainingField]-?: readonly [NonNullable<Training[F]>, NonNullable<Training[F]>] } = {
  method: ['sft', 'dpo'],
  epochs: [1, 2],
  steps: [3, 4],
  batchSize: [2, 4],
  learningRate: [1e-4, 2e-4],
  schedule: ['linear', 'cosine'],
  warmupRatio: [0.1, 0.2],
  weightDecay: [0.01, 0.02],
  maxGradNorm: [0.5, 2],
  beta: [0.1, 0.2],
  adapter: [
    { type: 'lora', rank: 4 },
    { type: 'lora', rank: 8 },
  ],
  loss: ['answer', 'all'],
  earlyStopping: [{ patience: 1 }, { patience: 2 }],
  select: ['last', 'best'],
  maxLength: [16, 32],
  seed: [1, 2],
};

/** The base input with one field more, twice: each time with another value. A provider may refuse either. */
interface Probe {
  /** The field's path in the job, for example `training.seed`. */
  readonly field: string;
  readonly inputs: readonly [TranslationInput, TranslationInput];
}

function listProbes(base: TranslationInput): Probe[] {
  const change = (part: Partial<RunSpec>): TranslationInput => ({ ...base, spec: { ...base.spec, ...part } });
  const train = (field: string, value: unknown): TranslationInput => {
    const training: Record<string, unknown> = { ...base.spec.training, [field]: value };
    // These two answer one question and never appear together.
    if (field === 'epochs') delete training['steps'];
    if (field === 'steps') delete training['epochs'];
    return change({ training });
  };
  const fields: [string, readonly [unknown, unknown]][] = [
    ...Object.entries(trainingValues),
    ['learningRate', [{ multiplier: 0.5 }, { multiplier: 2 }]],
    ['adapter', [{ type: 'head' }, { type: 'full' }]],
  ];
  return [
    ...fields.map(([field, [a, b]]): Probe => ({ field: `training.${field}`, inputs: [train(field, a), train(field, b)] })),
    { field: 'prompt.system', inputs: [change({ prompt: { system: 'Answer.' } }), change({ prompt: { system: 'Say it.' } })] },
    { field: 'prompt.template', inputs: [change({ prompt: { template: '{text}?' } }), change({ prompt: { template: '{text}!' } })] },
    { field: 'options.x-test', inputs: [change({ options: { 'x-test': 1 } }), change({ options: { 'x-test': 2 } })] },
    { field: 'native.x-test', inputs: [change({ native: { 'x-test': 1 } }), change({ native: { 'x-test': 2 } })] },
  ];
}

/** Other ways to write the base input, or the same with what does not belong to a request. */
function listSynonyms(base: TranslationInput): Inputs {
  const { spec } = base;
  const reverse = <T extends object>(fields: T): T => Object.fromEntries(Object.entries(fields).reverse()) as T;
  const evaluation = { ...spec.evaluation, margin: spec.evaluation.margin + 0.01 };
  return {
    'fields in another order': { ...base, spec: { ...spec, training: reverse(spec.training), options: reverse(spec.options) } },
    'another margin of the evaluation': { ...base, spec: { ...spec, evaluation } },
  };
}

/** Jobs that many providers cannot do: they may be refused, but with a Failure. */
function listUnusualInputs({ spec, ...rest }: TranslationInput): Inputs {
  const changes: Record<string, Partial<RunSpec>> = {
    'task chat': { task: 'chat' },
    'task preference': { task: 'preference', training: { method: 'dpo' } },
    'task text': { task: 'text' },
    'task multi-label': { task: 'multi-label' },
    'task regression': { task: 'regression' },
    'a hub model': { model: { kind: 'hub', name: 'owner/name', revision: null } },
    'a model of a service': { model: { kind: 'service', name: 'some-model' } },
    'a model folder': { model: { kind: 'folder', path: '/models/some' } },
    'an option that is null': { options: { 'x-test': null } },
    'every training field required': { requirements: Object.keys(trainingValues) as TrainingField[] },
  };
  return Object.fromEntries(Object.entries(changes).map(([label, change]) => [label, { ...rest, spec: { ...spec, ...change } }]));
}

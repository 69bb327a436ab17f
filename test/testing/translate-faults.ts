import { defineProvider } from '../../src/provider/provider.ts';
import type { Phase } from '../../src/provider/status.ts';
import { changeNotes, changeTranslation, replace, listFaults, type Fault } from './plant-fault.ts';

let count = 0;

/** What can go wrong without a service. */
export const translateFaults: readonly Fault[] = [
  ...listFaults('the provider is frozen, with a plain id and a status map of known phases', {
    'is not frozen': (provider) => ({ ...provider }),
    'has a space in its id': (provider) => defineProvider({ ...provider, id: 'my service' }),
    'has a word for a phase that there is not': (provider) => defineProvider({ ...provider, statusMap: { odd: 'sleeping' as Phase } }),
    'tries again without a fence': ({ training: { fence: _fence, ...training }, ...provider }) =>
      defineProvider({ ...provider, onUncertain: 'retry', training }),
    'may never be asked': (provider) => defineProvider({ ...provider, rate: { perSecond: 0, burst: 1 } }),
    'settles never': (provider) => defineProvider({ ...provider, listingDelayMs: NaN }),
  }),
  ...listFaults('translate gives the same for the same input', {
    'counts its translations': changeTranslation(({ request }) => ({ request: { ...request, id: count++ } })),
    'notes the time': changeTranslation(({ notes }) => ({ notes: [...notes, { type: 'warning', message: String(count++) }] })),
  }),
  ...listFaults('translate accepts a frozen input and changes nothing in it', {
    'changes what is not frozen': changeTranslation((_translation, { spec }) => {
      if (!Object.isFrozen(spec.training)) spec.training.maxGradNorm = 1;
      return {};
    }),
    'tells a frozen input from another': changeTranslation(({ request }, { spec }) => ({
      request: { ...request, isFrozen: Object.isFrozen(spec) },
    })),
    'sorts the labels in place': changeTranslation((_translation, { facts }) => ((facts.labels as string[]).reverse(), {})),
    'adds a field to the job': changeTranslation((_translation, { spec }) => ((spec.training.maxGradNorm ??= 1), {})),
  }),
  ...listFaults('translate gives JSON', {
    'has a Date in the request': changeTranslation(({ request }) => ({ request: { ...request, at: new Date(0) } })),
    'leaves undefined in the request': changeTranslation(({ request }) => ({ request: { ...request, epochs: undefined } })),
    'has NaN in a note': changeTranslation(({ notes }) => ({ notes: [...notes, { type: 'defaulted', field: 'x', value: NaN }] })),
    'returns a Map': changeTranslation(({ request }) => ({ request: new Map(Object.entries(request)) })),
  }),
  ...listFaults('every field that was written ends in a note', {
    'forgets a training field': changeNotes((note) => (note.field === 'training.beta' ? [] : [note])),
    'forgets the prompt': changeNotes((note) => (note.field === 'prompt' ? [] : [note])),
    'forgets options': changeNotes((note) => (note.field.startsWith('options.') ? [] : [note])),
    'forgets native fields': changeNotes((note) => (note.field.startsWith('native.') ? [] : [note])),
    'calls what was written a default': changeNotes((note) =>
      note.field === 'training.seed' ? [{ type: 'defaulted', field: note.field, value: 1 }] : [note],
    ),
  }),
  ...listFaults('a note repeats what was written', {
    'rounds in silence': changeNotes((note) => (note.field === 'training.learningRate' ? [{ ...note, value: 0 }] : [note])),
    'says that it converted something else': changeNotes((note) => (note.type === 'converted' ? [{ ...note, from: 0 }] : [note])),
  }),
  ...listFaults('different meanings give different requests', {
    'drops a field that it says it sends': changeTranslation(({ request: { learningRate: _rate, ...request } }) => ({ request })),
    'drops the labels': changeTranslation(({ request }) => ({ request: { ...request, labels: [] } })),
    'drops a native field': changeTranslation(({ request: { 'x-test': _native, ...request } }) => ({ request })),
  }),
  ...listFaults('the same meaning gives the same request', {
    'sends the margin': changeTranslation(({ request }, { spec }) => ({ request: { ...request, margin: spec.evaluation.margin } })),
    'sends the order of the fields': changeTranslation(({ request }, { spec }) => ({
      request: { ...request, fields: Object.keys(spec.training) },
    })),
    'sends the tags': changeTranslation(({ request }, { spec }) => ({ request: { ...request, tags: spec.tags } })),
  }),
  ...listFaults('what cannot be translated is refused with a Failure', {
    'throws a bare error at an option': replace(({ translate }) => ({
      translate: (input) => {
        if ('x-test' in input.spec.options) throw new Error('bad option');
        return translate(input);
      },
    })),
    'stumbles over a task': changeTranslation((_translation, { spec }) => {
      if (spec.task === 'chat') throw new TypeError('undefined is not a function');
      return {};
    }),
  }),
];

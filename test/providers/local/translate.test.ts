import { expect, test } from 'vitest';
import { local } from '../../../providers/local/index.ts';
import { isFailure } from '../../../src/errors.ts';
import { isDifference, type Note } from '../../../src/provider/note.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import type { Context } from '../../../src/provider/context.ts';
import type { FolderModel } from '../../../src/provider/model.ts';
import { toMemoryPlan } from '../../run/memory-provider.ts';

const plan = toMemoryPlan();
const spec: RunSpec = { ...plan.spec, provider: 'local', model: { kind: 'folder', path: '/models/bert' } };
const model = { base: '/models/bert', revision: 'r'.repeat(64), maxLength: 64, parameters: 946_000 };

function translate(change: Partial<RunSpec>): { request: unknown; notes: readonly Note[] } {
  const facts = change.task === 'regression' ? { ...plan.facts, labels: [] } : plan.facts;
  return local.training.translate({ spec: { ...spec, ...change }, facts, model, key: plan.key });
}

function findFailure(change: Partial<RunSpec>): string {
  try {
    translate(change);
  } catch (error) {
    if (isFailure(error, 'job-file-invalid')) return error.message;
    throw error;
  }
  throw new Error('translated');
}

test('a field that the job leaves out has a default, and a note says so', () => {
  const { request, notes } = translate({});
  expect(request).toEqual({
    backend: 'auto',
    model: { folder: '/models/bert', revision: model.revision, labels: ['no', 'yes'], maxLength: 64 },
    training: {
      epochs: 3,
      steps: null,
      batchSize: 16,
      microBatchSize: 16,
      learningRate: 1e-3,
      schedule: 'linear',
      warmupRatio: 0,
      weightDecay: 0,
      maxGradNorm: 1,
      select: 'last',
      seed: 42,
      checkpointSteps: null,
    },
    name: 'job/a',
  });
  expect(new Set(notes.map(({ type }) => type))).toEqual(new Set(['defaulted']));
});

test('every field that is written ends in a note', () => {
  const training: RunSpec['training'] = {
    method: 'sft',
    steps: 7,
    batchSize: 8,
    learningRate: { multiplier: 2 },
    schedule: 'cosine',
    warmupRatio: 0.5,
    weightDecay: 0.1,
    maxGradNorm: 2,
    beta: 0.1,
    adapter: { type: 'head' },
    loss: 'answer',
    select: 'best',
    maxLength: 512,
    seed: 1,
  };
  const { request, notes } = translate({ training, prompt: { system: 'x' } });
  for (const field of Object.keys(training)) {
    const of = notes
      .filter((note) => note.type !== 'defaulted' && note.type !== 'warning')
      .filter((note) => note.field === `training.${field}`);
    expect(of.map((note) => note.field)).toEqual([`training.${field}`]);
  }
  expect(notes.filter(isDifference).map((note) => (note.type === 'warning' ? '' : `${note.type} ${note.field}`))).toEqual([
    'unsupported training.learningRate',
    'unsupported training.beta',
    'unsupported training.loss',
    'converted training.maxLength',
    'unsupported prompt',
  ]);
  expect(request).toMatchObject({ model: { maxLength: 64 }, training: { steps: 7, epochs: null, seed: 1, learningRate: 1e-2 } });
});

test('early stopping keeps the best weights unless the job says otherwise', () => {
  const earlyStopping = { patience: 2 };
  const stopped = translate({ training: { earlyStopping } });
  const settings = { patience: 2, minDelta: 0, by: 'loss' };
  expect(stopped.request).toMatchObject({ training: { earlyStopping: settings, select: 'best' } });
  expect(stopped.notes).toContainEqual({ type: 'sent', field: 'training.earlyStopping', value: earlyStopping });
  expect(stopped.notes).toContainEqual({ type: 'defaulted', field: 'training.select', value: 'best', why: 'with early stopping' });
  const last = translate({ training: { select: 'last', earlyStopping: { patience: 1, minDelta: 0.1, by: 'measure' } } });
  expect(last.request).toMatchObject({ training: { earlyStopping: { patience: 1, minDelta: 0.1, by: 'measure' }, select: 'last' } });
});

test('a regression is a training without labels', () => {
  expect(translate({ task: 'regression' }).request).toMatchObject({ model: { labels: [] } });
});

test('options choose the backend and the rows per forward pass', () => {
  expect(translate({ options: { backend: 'cpu', microBatchSize: 4 } }).request).toMatchObject({
    backend: 'cpu',
    training: { microBatchSize: 4 },
  });
  expect(translate({ options: { microBatchSize: 400 } }).request).toMatchObject({ training: { microBatchSize: 16 } });
  expect(translate({ options: { threads: 3 } }).request).toMatchObject({ threads: 3 });
});

test.each<[Partial<RunSpec>, string]>([
  [{ task: 'text' }, 'expects the task "classification", "multi-label", "regression", "chat", or "preference", found "text"'],
  [{ model: { kind: 'service', name: 'gpt-4o-mini' } }, 'expects a folder such as'],
  [{ task: 'regression', options: { labelSmoothing: 0.1 } }, 'targets.a.options.labelSmoothing: expected the task "classification"'],
  [{ native: { fp16: true } }, 'targets.a.native.fp16: the local trainer has no fields of its own'],
  [{ options: { backend: 'cuda' } }, 'targets.a.options.backend'],
  [
    { options: { backend: 'tensorflow-gpu', threads: 64 } },
    'targets.a.options.threads: the backend "tensorflow-gpu" has threads of its own',
  ],
])('%j is refused', (change, message) => {
  expect(findFailure(change)).toContain(message);
});

test.each([
  [100_000, 1e-3],
  [946_000, 1e-3],
  [2_700_000, 7e-4],
  [22_700_000, 3e-4],
  [110_000_000, 5e-5],
  [1e9, 5e-5],
])('a model of %i parameters has its own default rate, and a note says why', (parameters, rate) => {
  const { request, notes } = local.training.translate({ spec, facts: plan.facts, model: { ...model, parameters }, key: plan.key });
  expect(request).toMatchObject({ training: { learningRate: rate } });
  const why = `for a model of ${(parameters / 1e6).toPrecision(2)} M parameters`;
  expect(notes).toContainEqual({ type: 'defaulted', field: 'training.learningRate', value: rate, why });
  expect(translate({ training: { learningRate: 3e-4 } }).request).toMatchObject({ training: { learningRate: 3e-4 } });
});

const config = {
  family: 'bert',
  vocabSize: 9,
  hiddenSize: 8,
  layers: 1,
  heads: 2,
  intermediateSize: 8,
  maxPositions: 8,
  typeVocabSize: 2,
};

function translateAdapter(adapter: NonNullable<RunSpec['training']['adapter']>): { training: Record<string, unknown>; notes: string[] } {
  const input = { spec: { ...spec, training: { adapter } }, facts: plan.facts, model: { ...model, config }, key: plan.key };
  const { request, notes } = local.training.translate(input);
  const explained = notes.flatMap((note) =>
    'field' in note && ['training.adapter', 'training.learningRate'].includes(note.field)
      ? [`${note.type} ${'why' in note ? (note.why ?? '') : ''}`.trim()]
      : [],
  );
  return { training: (request as { training: Record<string, unknown> }).training, notes: explained };
}

test('an adapter is sent with what the job leaves open, and has its own learning rate', () => {
  const lora = { type: 'lora', rank: 4, alpha: 32, dropout: 0.05, targets: null, rankStabilized: false };
  const sent = translateAdapter({ type: 'lora', rank: 4 });
  expect(sent.training).toMatchObject({ adapter: lora, learningRate: 3e-3 });
  expect(translateAdapter({ type: 'lora', rank: 4, rankStabilized: true }).training).toMatchObject({
    adapter: { ...lora, rankStabilized: true },
  });
  const chosen = translateAdapter({ type: 'lora', rank: 2, alpha: 4, dropout: 0, targets: ['dense'] });
  expect(chosen.training).toMatchObject({ adapter: { ...lora, rank: 2, alpha: 4, dropout: 0, targets: ['dense'] } });
  const head = translateAdapter({ type: 'head' });
  expect(head.training).toMatchObject({ adapter: { type: 'head' }, learningRate: 1e-2 });
  expect(head.notes.toSorted()).toEqual(['defaulted for a head that is trained alone', 'sent 18 of 722 parameters are trained']);
  expect(sent.notes).toContain('sent 146 of 850 parameters are trained'); // 4 matrices of 4 x 8 and the head
  const full = translateAdapter({ type: 'full' });
  expect(full.training).toMatchObject({ learningRate: 1e-3 });
  expect(full.training).not.toHaveProperty('adapter');
});

test('a batch that does not fit is divided into equal parts, which is said and stored; an own number is left', () => {
  const large = { ...config, hiddenSize: 768, layers: 12, heads: 12, intermediateSize: 3072, vocabSize: 30_522, maxPositions: 512 };
  const long = { ...plan.facts, train: { ...plan.facts.train, longestCharacters: 5000 } };
  const divide = (change: Partial<RunSpec>, facts = long) => {
    const { request, notes } = local.training.translate({
      spec: { ...spec, ...change },
      facts,
      model: { ...model, maxLength: 512, config: large },
      key: plan.key,
    });
    const note = notes.find((one) => 'field' in one && one.field === 'options.microBatchSize');
    return { microBatchSize: (request as { training: { microBatchSize: number } }).training.microBatchSize, note };
  };
  const { microBatchSize, note } = divide({});
  expect(microBatchSize).toBeLessThan(16);
  expect(microBatchSize).toBeGreaterThan(0);
  expect(16 % microBatchSize).toBe(0);
  expect(note).toMatchObject({
    type: 'defaulted',
    value: microBatchSize,
    why: expect.stringContaining('16 rows of the longest') as string,
  });
  expect(divide({ options: { microBatchSize: 3 } })).toEqual({
    microBatchSize: 3,
    note: { type: 'sent', field: 'options.microBatchSize', value: 3 },
  });
  expect(divide({ options: { backend: 'cpu' } })).toEqual({ microBatchSize: 16, note: undefined });
  const short = { ...plan.facts, train: { ...plan.facts.train, longestCharacters: 40 } };
  expect(divide({}, short)).toEqual({ microBatchSize: 16, note: undefined });
});

test('targets that the model does not have are not followed: all parameters are trained, at their rate', () => {
  const { training, notes } = translateAdapter({ type: 'lora', rank: 4, targets: ['q_proj'] });
  expect(training).not.toHaveProperty('adapter');
  expect(training).toMatchObject({ learningRate: 1e-3 });
  expect(notes).toContain('unsupported expected targets of the adapter among query, key, value, dense or all-linear, found q_proj');
});

test.each([
  [['yes', 'no'], 'kept', 'as its labels are those of the data: yes, no'],
  [['LABEL_0', 'LABEL_1'], 'new', 'for the labels no, yes; its own one is for LABEL_0, LABEL_1'],
])('a model with a head for %j begins with one that is %s', (labels, value, why) => {
  const { request, notes } = local.training.translate({ spec, facts: plan.facts, model: { ...model, labels }, key: plan.key });
  expect(notes).toContainEqual({ type: 'defaulted', field: "the model's head", value, why });
  const { keepsHead } = (request as { model: { keepsHead?: true } }).model;
  const base = local.training.baseModel!(request, {} as Context) as FolderModel;
  const isKept = value === 'kept' ? true : undefined;
  expect([keepsHead, base.hasOwnHead]).toEqual([isKept, isKept]);
  expect(base.identity).toContain(value === 'kept' ? 'with its own head' : 'with a new head');
});

test('several labels a text: the request says so, and a head for one of them is not kept', () => {
  const several = { ...spec, task: 'multi-label' } as const;
  const labels = ['no', 'yes'];
  const plain = local.training.translate({ spec, facts: plan.facts, model, key: plan.key });
  const { request } = local.training.translate({ spec: several, facts: plan.facts, model, key: plan.key });
  expect((request as { model: object }).model).toMatchObject({ labels, isMultiLabel: true });
  expect(local.training.bind(request, { train: 'a', validation: null }, plan.key, 1)).toMatchObject({ model: { isMultiLabel: true } });
  const [base, other] = [request, plain.request].map((one) => local.training.baseModel!(one, {} as Context) as FolderModel);
  expect(base).toMatchObject({ isMultiLabel: true });
  expect(base!.identity).not.toBe(other!.identity); // their answers differ, and are stored by it
  const heads = [{ labels }, { labels, isMultiLabel: true as const }].map((own) => {
    const { notes } = local.training.translate({ spec: several, facts: plan.facts, model: { ...model, ...own }, key: plan.key });
    return notes.find((note) => 'field' in note && note.field === "the model's head");
  });
  expect(heads).toMatchObject([
    { value: 'new', why: 'for the labels no, yes; its own one is for no, yes, one of them for a text' },
    { value: 'kept' },
  ]);
});

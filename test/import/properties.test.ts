import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formats } from '../../src/import/import-config.ts';
import { isFailure } from '../../src/errors.ts';
import { buildJobSpec, parseConfig, type ImportedJob } from '../../src/import/imported-job.ts';
import { formatJobFile } from '../../src/import/job-file-text.ts';
import { checkJob } from '../../src/job/read-job-file.ts';
import { jobFileKind, parseJobText } from '../../src/job/job-text.ts';
import { resolveTarget } from '../../src/job/resolve.ts';

const context = { file: 'f' };
type FormatName = keyof typeof formats;

const keys = JSON.parse(readFileSync('fixtures/import/keys.json', 'utf8')) as {
  autotrain: { 'llm-dpo': Keys; 'text-classification': Keys };
  trl: { sft: Keys; dpo: Keys };
  openai: { top: string[]; dpo: string[] };
  together: Record<string, unknown>;
  'together-dpo': object;
};

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('a/b', './a', 'x\n"y', '*/', '\u2028', 'auto', 'max', '1e-5', 'no', 'hf_abcdefghijklmnop'),
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>(true, false, null, 0, 1, 2, 0.5, 1e-5, -1, 'linear', 'cosine', 'constant') },
  { weight: 2, arbitrary: text },
  fc.double(),
  fc.jsonValue(),
  fc.array(text, { maxLength: 3 }),
);

type Keys = Readonly<Record<string, readonly [type: string, fallback: unknown]>>;

/** Mostly what a key takes, at times anything. */
function toTyped([type, fallback]: readonly [string, unknown]): fc.Arbitrary<unknown> {
  const numbers = fc.constantFrom(1, 2, 8, ...(/float|number/.test(type) ? [0.5, 0.1] : []));
  const typed = /bool/.test(type)
    ? fc.boolean()
    : /^(int|float|number)/.test(type)
      ? numbers
      : fc.constantFrom('a/b', 'x', 'linear', 'q,v');
  return fc.oneof({ weight: 20, arbitrary: fc.oneof(fc.constant(fallback), typed) }, { weight: 1, arbitrary: value });
}

function toKeyed(all: Keys): fc.Arbitrary<object> {
  const pair = fc.constantFrom(...Object.entries(all)).chain(([key, about]) => toTyped(about).map((item) => [key, item] as const));
  return fc.array(pair, { maxLength: 12 }).map((pairs) => Object.fromEntries(pairs));
}

/** Objects with keys that mean something, and with others. */
function toFields(names: readonly string[] | Keys, more: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<object> {
  const known = names instanceof Array ? fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 2 }) : toKeyed(names);
  const unknown = fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.dictionary(text, value, { maxKeys: 2 }) });
  const special = fc.record(more);
  return fc.tuple(known, unknown, special).map((parts) => Object.assign({}, ...parts) as object);
}

const columns = fc.oneof(
  fc.constant({ text_column: 'a', prompt_text_column: 'b', rejected_text_column: 'c' }),
  toFields(['text_column', 'target_column']),
);
const { trainer: _, ...withoutTrainer } = keys.autotrain['llm-dpo'];
const often = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 20, arbitrary }, { weight: 1, arbitrary: value });
const number: readonly [string, unknown] = ['number', 'auto'];
const toNumbers = (all: readonly string[]): Keys => Object.fromEntries(all.map((key) => [key, number]));
const hyperparameters = often(toFields(toNumbers(keys.openai.dpo)));

const togetherKeys: Keys = Object.fromEntries(
  Object.entries(keys.together).map(([key, sample]) => [key, [/n_epochs|batch_size|learning_rate/.test(key) ? 'number' : 'x', sample]]),
);

/** Of programs on transformers. */
const shared: Keys = {
  ...Object.fromEntries(
    ['rl', 'lr_scheduler', 'lr_scheduler_type', 'output_dir', 'dataset_dir', 'template'].map((key) => [key, ['str', null]]),
  ),
  ...toNumbers(
    'cutoff_len sequence_len lora_rank lora_r lora_alpha num_epochs num_train_epochs max_steps warmup_steps learning_rate micro_batch_size'.split(
      ' ',
    ),
  ),
  ...Object.fromEntries(
    ['train_on_prompt', 'train_on_inputs', 'sample_packing', 'load_best_model_at_end'].map((key) => [key, ['bool', false]]),
  ),
};

const contents: Readonly<Record<FormatName, fc.Arbitrary<object>>> = {
  autotrain: toFields(['log', 'backend'], {
    task: often(fc.constantFrom('text-classification', 'llm-sft', 'llm-dpo', 'llm')),
    base_model: often(fc.constantFrom('a/b', './m')),
    project_name: often(text),
    data: often(
      toFields(['path', 'train_split', 'valid_split', 'chat_template'], {
        path: often(fc.constantFrom('a/b', './d')),
        column_mapping: often(columns),
      }),
    ),
    params: often(toFields({ ...keys.autotrain['text-classification'], ...withoutTrainer })),
    hub: often(toFields(['username', 'token', 'push_to_hub'])),
  }),
  trl: toFields(keys.trl.sft, {
    model_name_or_path: often(fc.constantFrom('a/b', './m')),
    dataset_name: often(fc.constantFrom('a/b', './d')),
    datasets: often(fc.oneof(fc.constant(null), fc.array(toFields(['data_files'], { path: often(fc.constant('a/b')) }), { maxLength: 2 }))),
  }),
  llamafactory: toFields(shared, {
    model_name_or_path: often(fc.constantFrom('a/b', './m')),
    dataset: often(fc.constantFrom('identity', 'a,b', ['a', 'b/c'])),
    stage: often(fc.constantFrom('sft', 'dpo', 'pt')),
    finetuning_type: often(fc.constantFrom('lora', 'full', 'freeze')),
    val_size: often(fc.constantFrom(0, 0.1, 100)),
  }),
  axolotl: toFields(shared, {
    base_model: often(fc.constantFrom('a/b', './m')),
    datasets: often(
      fc.array(toFields(['name', 'field_messages', 'roles'], { path: often(fc.constantFrom('a/b', 'x.json')), type: often(text) }), {
        minLength: 1,
        maxLength: 2,
      }),
    ),
    adapter: often(fc.constantFrom('lora', 'qlora', null)),
    val_set_size: often(fc.constantFrom(0, 0.1, 100)),
  }),
  openai: toFields(keys.openai.top, {
    model: often(fc.constant('gpt-4.1')),
    training_file: often(fc.constant('file-1')),
    method: often(
      fc.oneof(
        hyperparameters.map((fields) => ({ type: 'dpo', dpo: { hyperparameters: fields } })),
        hyperparameters.map((fields) => ({ type: 'supervised', supervised: { hyperparameters: fields } })),
      ),
    ),
    metadata: often(fc.dictionary(text, text)),
  }),
  together: toFields(togetherKeys, {
    model: often(fc.constant('a/b')),
    training_file: often(fc.constant('file-1')),
    training_method: often(toFields(toNumbers(Object.keys(keys['together-dpo'])), { method: often(fc.constantFrom('sft', 'dpo')) })),
    training_type: often(
      toFields(
        { ...toNumbers(['lora_r', 'lora_alpha']), lora_dropout: ['x', 0.1], lora_trainable_modules: ['str', 'all-linear'] },
        { type: often(fc.constantFrom('Full', 'Lora')) },
      ),
    ),
    lr_scheduler: often(toFields(['lr_scheduler_type', 'lr_scheduler_args'])),
  }),
};

/** The job, or null where the content is refused: any other error is a fault. */
function tryParse(name: FormatName, content: unknown): ImportedJob | null {
  try {
    return parseConfig(formats[name], content, context);
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return null;
    throw error;
  }
}

function toLeafPaths(content: unknown, path: readonly string[] = []): string[] {
  if (typeof content !== 'object' || content === null || Array.isArray(content) || Object.keys(content).length === 0)
    return [path.join('.')];
  return Object.entries(content).flatMap(([key, item]) => toLeafPaths(item, [...path, key]));
}

const names = Object.keys(formats) as FormatName[];

test.each(names)('%s gives a job or a Failure for anything at all', (name) => {
  const ends = new Set<boolean>();
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: true, withNullPrototype: true }),
      (content) => {
        ends.add(tryParse(name, content) === null);
      },
    ),
    { numRuns: 300 },
  );
  expect([...ends]).toEqual([true]); // by chance none of it is a configuration
});

test.each(names)('%s: each field of a job’s source has a note, and the text of the job means the same', async (name) => {
  let jobs = 0;
  await fc.assert(
    fc.asyncProperty(contents[name], async (content) => {
      const job = tryParse(name, content);
      if (job === null) return;
      jobs++;
      const told = job.notes.filter(({ kind }) => kind !== 'absent').map(({ path }) => path);
      const untold = toLeafPaths(content).filter(
        (path) =>
          !told.some((note) => note.includes('(hidden)') || path === note || path.startsWith(`${note}.`) || note.startsWith(`${path}.`)),
      );
      expect(untold.filter((path) => path !== '')).toEqual([]);
      const source = formatJobFile(job);
      expect(formatJobFile(parseConfig(formats[name], content, context))).toBe(source);
      const parsed = await parseJobText(source, 'job.json', jobFileKind);
      expect(parsed.duplicates).toEqual([]);
      const { spec, problems } = checkJob(parsed.value);
      expect(problems).toEqual([]);
      expect(spec).toEqual(buildJobSpec(job));
      expect(resolveTarget(spec!, job.target.name, '/').training).toEqual(job.training);
      expect(source).not.toContain('hf_abcdefghijklmnop');
    }),
    { numRuns: 400 },
  );
  expect(jobs).toBeGreaterThan(20); // enough of them get through for the check to mean something
});

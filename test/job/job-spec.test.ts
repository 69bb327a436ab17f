import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import canonicalize from 'canonicalize';
import { expect, test } from 'vitest';
import { buildJobSchema, JobSpec } from '../../src/job/job-spec.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import { buildFingerprint, buildRunKey } from '../../src/job/run-key.ts';

const validate = new Ajv2020({ strict: false }).compile(buildJobSchema());

const minimal = {
  version: 1,
  name: 'mini',
  task: 'classification',
  data: { train: './train.jsonl' },
  targets: { here: { model: './model' } },
};

test.each(['fixtures/example/job.jsonc', 'fixtures/sentiment/job.json', 'fixtures/sentiment/job-validation.json'])(
  '%s keeps to the schema',
  async (path) => {
    const { spec } = await readJobFile(path);
    expect(validate(spec), JSON.stringify(validate.errors)).toBe(true);
  },
);

test('a file may name its schema for editors', () => {
  expect(validate({ $schema: './job.schema.json', ...minimal })).toBe(true);
  expect(JobSpec.safeParse({ $schema: './job.schema.json', ...minimal }).success).toBe(true);
});

test.each<[string, object]>([
  ['minimal', {}],
  ['an unknown field', { colour: 1 }],
  ['a wrong version', { version: 2 }],
  ['a wrong name', { name: 'Über' }],
  ['a wrong task', { task: 'regression' }],
  ['a source without ./', { data: { train: 'train.jsonl' } }],
  ['a hub source', { data: { train: 'hub:owner/name@main#config/split' } }],
  ['a list of sources', { data: { train: ['./a.csv', '../b.tsv.gz'] } }],
  ['a large fraction', { data: { train: './a', validation: { fraction: 0.6 } } }],
  ['named test sets', { data: { train: './a', test: { one: './b', two: ['./c'] } } }],
  ['a negative rate', { training: { learningRate: -1 } }],
  ['a multiplier', { training: { learningRate: { multiplier: 2 } } }],
  ['a broken adapter', { training: { adapter: { type: 'lora' } } }],
  ['null among the job’s fields', { training: { epochs: null } }],
  ['null under a target', { targets: { here: { model: 'm', training: { epochs: null } } } }],
  ['an unknown field under a target', { targets: { here: { model: 'm', epochs: 1 } } }],
  ['a target without model', { targets: { here: {} } }],
  ['references', { references: { a: { predictions: './p.jsonl' }, b: { command: ['x'] }, c: { provider: 'p', model: 'm' } } }],
])('schema and program agree about %s', (_, change) => {
  const job = { ...minimal, ...change };
  expect(validate(job)).toBe(JobSpec.safeParse(job).success);
});

test('every field says what it is', () => {
  const silent: string[] = [];
  const visit = (schema: { properties?: Record<string, { description?: string }> }, path: string): void => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (field.description === undefined) silent.push(`${path}${name}`);
      visit(field as typeof schema, `${path}${name}.`);
    }
  };
  visit(buildJobSchema(), '');
  expect(silent.filter((name) => !name.startsWith('evaluation.generation.'))).toEqual([]);
});

test('the worked example of the page is what the program computes', () => {
  const page = readFileSync('docs/job-file.md', 'utf8');
  const job = JobSpec.parse(JSON.parse(/```json\n([\s\S]*?)```/.exec(page)![1]!));
  const [, identity, key] = /```\n(\[.*\])\n\n([a-z2-7]{32})\n```/.exec(page)!;
  const spec = resolveTarget(job, 'laptop', '/anywhere');
  const fingerprint = buildFingerprint(spec, { train: 'a'.repeat(64), validation: null, model: 'b'.repeat(64) });
  expect(buildRunKey(spec, 1, fingerprint)).toBe(key);
  const shown = identity!.replace('aaaa…', 'a'.repeat(64)).replace('bbbb…', 'b'.repeat(64));
  expect(shown).toBe(canonicalize(['run/1', null, 'sentiment', 'laptop', 1, fingerprint]));
});

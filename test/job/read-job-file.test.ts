import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { readJobFile } from '../../src/job/read-job-file.ts';
import { resolveTarget } from '../../src/job/resolve.ts';
import { createScratchFolder } from '../scratch.ts';

const minimal = `{
  "version": 1,
  "name": "mini",
  "task": "classification",
  "data": { "train": "./train.jsonl" },
  "targets": { "here": { "provider": "local", "model": "./model" } }
}`;

async function writeJob(text: string, name = 'job.json'): Promise<string> {
  const path = join(createScratchFolder(), name);
  await writeFile(path, text);
  return path;
}

/** The message of the failure that reading a job with this text ends in, without the folder. */
async function readFailure(text: string, overrides: string[] = []): Promise<{ code: string; lines: string[] }> {
  const path = await writeJob(text);
  try {
    await readJobFile(path, overrides);
  } catch (error) {
    if (isFailure(error)) return { code: error.code, lines: error.message.replaceAll(path, 'job.json').split('\n') };
    throw error;
  }
  throw new Error('the job was accepted');
}

test('a file with every part is read', async () => {
  const { spec } = await readJobFile('fixtures/example/job.jsonc');
  expect(Object.keys(spec.targets)).toEqual(['laptop', 'gpt', 'hub']);
  expect(spec.training?.learningRate).toBe(5e-4);
});

test('nothing is filled in', async () => {
  const { spec } = await readJobFile(await writeJob(minimal));
  expect(spec).toEqual(JSON.parse(minimal));
});

test('all errors are reported at once, each with line, column, path and what was found', async () => {
  const text = minimal
    .replace('"version": 1', '"version": 2, "colour": 1')
    .replace('"mini"', '"Mini!"')
    .replace('"data": {', '"trainig": {}, "data": { "validation": {"fraction": 0.9},');
  const { code, lines } = await readFailure(text);
  expect(code).toBe('job-file-invalid');
  expect(lines).toEqual([
    'job.json:2:3 version: expected 1, found 2',
    'job.json:3:3 name: expected 1 to 32 characters of a-z, 0-9 and "-", found "Mini!"',
    'job.json:5:43 data.validation.fraction: expected a number of at most 0.5, found 0.9',
    'job.json:2:17 colour: unknown field; expected one of version, name, workspace, strict, onUncertain, task, data, prompt, training, evaluation, budget, tags, targets, references',
    'job.json:5:3 trainig: unknown field, did you mean "training"?',
  ]);
});

test.each([
  ['"matrix": {}, "task"', 'matrix: this name is reserved for a later version; remove it'],
  ['"training": {"from": "x"}, "task"', 'training.from: this name is reserved for a later version; remove it'],
  [
    '"training": {"earlyStopping": {"patience": 2}}, "task"',
    'training.earlyStopping: it needs validation rows: add data.validation, for example {"fraction": 0.1}',
  ],
  [
    '"training": {"epochs": 1, "steps": 2}, "task"',
    'training: expected "epochs" or "steps", found both: remove one, such as with --set training.epochs=null',
  ],
  ['"training": {"method": "dpo"}, "task"', 'training.method: "dpo" needs the task "preference", found the task "classification"'],
  ['"training": {"epohcs": 1}, "task"', 'training.epohcs: unknown field, did you mean "epochs"?'],
  ['"training": {"adapter": {"type": "lora"}}, "task"', 'training.adapter.rank: expected a number, found nothing'],
  ['"name": "again", "task"', 'name: the field occurs twice'],
  ['"training": {"learningRate": "x"}, "task"', 'training.learningRate: expected a number or {"multiplier": number}, found "x"'],
  ['"training": {"learningRate": -1}, "task"', 'training.learningRate: expected a number above 0, found -1'],
  ['"training": {"adapter": {"type": "x"}}, "task"', 'training.adapter.type: expected one of "full", "head", "lora", found "x"'],
  ['"tags": {"a": 1}, "task"', 'tags.a: expected a text, found 1'],
  ['"strict": "yes", "task"', 'strict: expected true or false, found "yes"'],
  [
    '"references": {"old": {"model": "x"}}, "task"',
    'references.old: expected an object with "provider" and "model", with "predictions", or with "command", found an object',
  ],
  [
    '"references": {"old": {"predictions": "hub:owner/rows"}}, "task"',
    'references.old.predictions: expected the path of a file, found a dataset of the Hub',
  ],
])('%s is refused', async (replacement, expected) => {
  const { lines } = await readFailure(minimal.replace('"task"', replacement));
  expect(lines.map((line) => line.replace(/^job\.json:\d+:\d+ /, ''))).toContain(expected);
});

test('select best without validation rows is refused', async () => {
  const { lines } = await readFailure(minimal.replace('"task"', '"training": {"select": "best"}, "task"'));
  expect(lines.join()).toContain('training.select: "best" needs validation rows');
});

test.each([
  ['', 'expected a job file, found an empty file'],
  ['{"version": 1', 'expected JSON: found the end of the file: is a closing bracket or quote missing?'],
  ['[]', '(the whole file): expected an object, found an empty list'],
  ['null', '(the whole file): expected an object, found null'],
])('the text %j is refused', async (text, expected) => {
  const { code, lines } = await readFailure(text);
  expect(code).toBe('job-file-invalid');
  expect(lines.join('\n')).toContain(expected);
});

test.each(['rows.jsonl', 'rows.CSV', 'rows.tsv.gz'])('%s is told to be a data file', async (name) => {
  await expect(readJobFile(await writeJob('', name))).rejects.toMatchObject({
    code: 'job-file-invalid',
    message: expect.stringMatching(/: expected a job file, found a data file$/),
    hint: expect.stringContaining('data.train'),
  });
});

test('a missing file and a folder are reported differently from a wrong one', async () => {
  await expect(readJobFile('/nowhere/job.json')).rejects.toMatchObject({
    code: 'file-missing',
    message: 'job file not found: /nowhere/job.json',
  });
  await expect(readJobFile('fixtures')).rejects.toMatchObject({
    code: 'file-missing',
    message: 'expected a job file, found a folder: fixtures',
  });
});

test('fields are set from the command line', async () => {
  const path = await writeJob(minimal);
  const { spec } = await readJobFile(path, ['training.epochs=2', 'training.schedule=cosine', 'targets.here.model=./other']);
  expect(spec.training).toEqual({ epochs: 2, schedule: 'cosine' });
  expect(spec.targets['here']?.model).toBe('./other');
  expect((await readFailure(minimal, ['training'])).code).toBe('usage');
  expect((await readFailure(minimal, ['name.first=1'])).code).toBe('usage');
  expect((await readFailure(minimal, ['__proto__.polluted=1'])).code).toBe('usage');
});

test('a wrong field from the command line is told with --set, and not with a line of the file', async () => {
  const { lines } = await readFailure(minimal.replace('"mini"', '"Mini!"'), ['training.epochs=many', 'training={"epohcs": 1, "seed": 1}']);
  expect(lines).toEqual([
    expect.stringMatching(/^job\.json:3:3 name: expected /),
    '--set training={"epohcs": 1, "seed": 1}: training.epohcs: unknown field, did you mean "epochs"?',
  ]);
  expect((await readFailure(minimal, ['training.epochs=many'])).lines).toEqual([
    '--set training.epochs=many: expected a number, found "many"',
  ]);
  const epochs = minimal.replace('"task"', '"training": {"epochs": 1}, "task"');
  expect((await readFailure(epochs, ['training.steps=2'])).lines).toEqual([
    '--set training.steps=2: training: expected "epochs" or "steps", found both: remove one, such as with --set training.epochs=null',
  ]);
  expect((await readFailure(minimal, ['task=null'])).lines).toEqual([
    expect.stringMatching(/^--set task=null: expected one of .*, found nothing$/),
  ]);
});

test('null removes a field at every level; under the training of a target it stays, and removes the field of the job', async () => {
  const path = await writeJob(
    minimal
      .replace('"task"', '"training": {"epochs": 1, "seed": 2}, "tags": {"a": "b"}, "task"')
      .replace('"./train.jsonl"', '["./a.csv", "./b.csv"]'),
  );
  const overrides = ['training.epochs=null', 'training.steps=5', 'tags=null', 'data.train.0=null', 'prompt.system=null'];
  const { spec } = await readJobFile(path, [...overrides, 'targets.here.training.seed=null']);
  expect(spec).toEqual({
    ...(await readJobFile(path)).spec,
    training: { steps: 5, seed: 2 },
    tags: undefined,
    data: expect.objectContaining({ train: ['./b.csv'] }),
    targets: { here: expect.objectContaining({ training: { seed: null } }) },
  });
  expect(spec).not.toHaveProperty('prompt');
});

const yaml = `# a comment
version: 1
name: mini
task: classification
data:
  train: ./train.jsonl
targets:
  here: &here {provider: local, model: ./model}
  there: *here
`;

test('YAML says the same as JSON, with comments and anchors', async () => {
  const { spec } = await readJobFile(await writeJob(yaml, 'job.yaml'));
  const target = { provider: 'local', model: './model' };
  expect(spec).toEqual({ ...(JSON.parse(minimal) as object), targets: { here: target, there: target } });
});

test.each([
  [yaml.replace('name: mini', 'name: Mini\nnmae: x'), ['3:1 name: expected 1 to 32', '4:1 nmae: unknown field, did you mean "name"?']],
  [yaml.replace('./train.jsonl', '[./a.jsonl, b.jsonl]'), ['6:22 data.train.1: expected a path']],
  [yaml.replace('local,', 'local, provider: other,'), ['8:33 expected YAML: found a name that stands there already']],
  [yaml.replace('data:', 'data: ['), ['expected YAML: ']],
  ['- just\n- a list', ['1:1 (the whole file): expected an object']],
])('an error in YAML is reported with its place: %j', async (text, expected) => {
  const path = await writeJob(text, 'job.yml');
  const failure = await readJobFile(path).catch((error: unknown) => error);
  expect(isFailure(failure, 'job-file-invalid')).toBe(true);
  for (const part of expected) expect((failure as Error).message).toContain(part);
});

test('an explosion of aliases is refused', async () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `a${i}: &a${i} [${Array.from({ length: 10 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(', ')}]`,
  );
  const path = await writeJob(levels.join('\n'), 'job.yaml');
  await expect(readJobFile(path)).rejects.toMatchObject({ code: 'job-file-invalid' });
});

test('a huge file is refused before it is read as a job', async () => {
  const path = await writeJob(' '.repeat(2 ** 20 + 1));
  await expect(readJobFile(path)).rejects.toMatchObject({
    code: 'job-file-invalid',
    message: expect.stringContaining('at most 1 MiB') as string,
  });
});

test('the schema of the answers is read where the job file names a path, from its folder', async () => {
  const chat = minimal.replace('classification', 'chat');
  const path = await writeJob(chat);
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: { a: { type: 'string', format: 'date' } },
  };
  await writeFile(path.replace('job.json', 'answer.json'), JSON.stringify(schema));
  for (const named of ['./answer.json', JSON.stringify(schema)]) {
    const { spec } = await readJobFile(path, [`evaluation.generation.schema=${named}`]);
    expect(spec.evaluation?.generation?.schema).toEqual(schema);
    expect(resolveTarget(spec, 'here', '/').evaluation.generation).toEqual({ schema });
  }
  expect(resolveTarget((await readJobFile(path)).spec, 'here', '/').evaluation.generation).toEqual({});
});

test.each([
  ['"./none.json"', 'JSON Schema not found: '],
  ['"none.json"', 'expected a path that begins with "./", "../" or "/", found "none.json"'],
  ['{"type": "text"}', 'expected a JSON Schema of draft 2020-12: schema is invalid: data/type must be equal to one of the allowed values'],
  ['{"$ref": "#/$defs/a"}', "expected a JSON Schema of draft 2020-12: can't resolve reference #/$defs/a"],
  ['5', 'found 5'],
])('a schema of answers that cannot be used is told: %s', async (schema, message) => {
  const text = minimal
    .replace('classification', 'chat')
    .replace('"targets"', `"evaluation": { "generation": { "schema": ${schema} } },\n  "targets"`);
  const { code, lines } = await readFailure(text);
  expect([code, lines.length]).toEqual(['job-file-invalid', 1]);
  expect(lines[0]).toMatch(/^job.json:6:\d+ evaluation.generation.schema: /);
  expect(lines[0]).toContain(message);
});

test('a schema is for answers of conversations', async () => {
  const { lines } = await readFailure(minimal.replace('"targets"', '"evaluation": { "generation": { "schema": {} } },\n  "targets"'));
  expect(lines).toEqual(['job.json:6:35 evaluation.generation.schema: it is for the task "chat", found the task "classification"']);
});

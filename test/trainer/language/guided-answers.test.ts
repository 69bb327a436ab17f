import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { GenerateAnswer, GenerateFile, GenerateRow } from '../../../src/trainer/generate-protocol.ts';
import { runGeneration } from '../../../src/trainer/run-generation.ts';

const schema = {
  type: 'object',
  properties: { sentiment: { enum: ['good', 'bad'] }, reason: { type: 'string' }, score: { type: 'integer', minimum: 0, maximum: 10 } },
  required: ['sentiment', 'reason', 'score'],
  additionalProperties: false,
};

/** The text of each answer with its end, or its failure. */
async function generate(rows: readonly GenerateRow[]): Promise<{ text: string; last: GenerateAnswer }[]> {
  const file: GenerateFile = { version: 1, backend: 'cpu', model: { folder: 'fixtures/models/tiny-llama', maxLength: 96 } };
  const output = new PassThrough();
  const written = text(output);
  await runGeneration(Readable.from([[file, ...rows].map((line) => `${JSON.stringify(line)}\n`).join('')], { objectMode: false }), output);
  output.end();
  const answers = (await written)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GenerateAnswer);
  return rows.map(({ id }) => {
    const own = answers.filter((answer) => answer.id === id);
    return { text: own.map((answer) => ('delta' in answer ? answer.delta : '')).join(''), last: own.at(-1)! };
  });
}

const row: GenerateRow = {
  id: 'a',
  text: 'user: what a day\nassistant:',
  maxTokens: 40,
  temperature: 0,
  topP: 1,
  topK: null,
  stop: [],
  seed: 1,
};

test('a model that knows nothing of JSON answers with what the schema allows, whole within its tokens', async () => {
  const rows = Array.from({ length: 6 }, (_, i): GenerateRow => ({
    ...row,
    id: `${i}`,
    schema,
    seed: i,
    temperature: i % 3,
    maxTokens: 30 + i,
  }));
  const validate = new Ajv2020().compile(schema);
  const answers = await generate([...rows, { ...row, id: 'free', maxTokens: 5 }, { ...row, id: 'short', schema, maxTokens: 9 }]);
  for (const { text: answer, last } of answers.slice(0, 6)) {
    expect([answer, validate(JSON.parse(answer))]).toEqual([answer, true]);
    expect(last).toMatchObject({ done: { reason: 'stop' } });
  }
  expect(new Set(answers.map(({ text: answer }) => answer)).size).toBeGreaterThan(3);
  expect(answers[6]!.text).not.toContain('{');
  expect(answers[7]!.last).toMatchObject({ failure: { code: 'data-invalid' } });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import {
  readPredictionLines,
  readPredictionsFile,
  formatPredictionLine,
  hashInput,
  type PredictionLine,
} from '../../src/evaluate/predictions-file.ts';
import { toInput } from '../../src/evaluate/requests.ts';
import { createScratchFolder } from '../scratch.ts';

function write(content: string | Buffer, name = 'old.jsonl'): string {
  const path = join(createScratchFolder(), name);
  writeFileSync(path, content);
  return path;
}

const line: PredictionLine = {
  input: { messages: [{ role: 'user', content: 'Wie geht’s?\u2028' }], tools: [{ type: 'function', function: { name: 'ask' } }] },
  prediction: {
    answer: 'gut',
    probabilities: { gut: 0.75, schlecht: 0.25 },
    logProbability: -0.25,
    truncated: true,
    latencyMs: 12.5,
    tokens: { input: 8, output: 1 },
  },
  expected: 'sehr gut',
  model: 'ft:gpt-4.1-mini-2025-04-14:acme::abc',
  asked: { provider: 'openai', temperature: 0 },
  at: '2026-01-01T00:00:00.000Z',
};

const bare: PredictionLine = {
  input: { text: 'a', text2: 'b' },
  prediction: { answer: null, probabilities: null, logProbability: null, truncated: false, latencyMs: null, tokens: null },
  expected: null,
  model: null,
  asked: null,
  at: null,
};

test('a written line is read again', async () => {
  const path = write(formatPredictionLine(line) + formatPredictionLine(bare));
  expect(await Array.fromAsync(readPredictionLines(path))).toEqual([
    { ...line, line: 1 },
    { ...bare, line: 2 },
  ]);
});

test('the fields are those of the document', () => {
  expect(Object.keys(JSON.parse(formatPredictionLine(line)) as object)).toEqual([
    'messages',
    'tools',
    'answer',
    'probabilities',
    'log_probability',
    'truncated',
    'latency_ms',
    'tokens',
    'expected',
    'model',
    'asked',
    'at',
  ]);
  expect(formatPredictionLine(bare)).toBe('{"text":"a","text2":"b","answer":null,"truncated":false}\n');
});

test.each([
  ['plain', 'old.jsonl', (text: string) => Buffer.from(text)],
  ['with a byte order mark and blank lines', 'old.jsonl', (text: string) => Buffer.from(`\ufeff\n${text}\n \n`)],
  ['gzip', 'old.jsonl.gz', (text: string) => gzipSync(text)],
])('a file written by hand is read: %s', async (_, name, toContent) => {
  const text = '{"text": "good", "answer": "yes", "note": "other fields are let be"}\n{"text": "bad", "text2": null, "answer": null}\n';
  const answers = await readPredictionsFile(write(toContent(text), name));
  expect(answers.get(hashInput({ text: 'good' }))).toEqual({ ...bare.prediction, answer: 'yes' });
  expect(answers.get(hashInput({ text: 'bad' }))).toEqual(bare.prediction);
  expect(answers.size).toBe(2);
});

test('a row of the data finds its line, whatever the order of the names, and without its answer and weights', async () => {
  const lines = [
    { answer: 'x', text: 'one' },
    { answer: 'y', text2: 'b', text: 'a' },
    {
      answer: 'z',
      tools: [],
      messages: [
        { content: 'hi', role: 'user' },
        { weight: 0, role: 'assistant', content: 'hey' },
        { role: 'user', content: 'well?' },
      ],
    },
  ];
  const answers = await readPredictionsFile(write(lines.map((one) => JSON.stringify(one)).join('\n')));
  const rows = [
    { text: 'one', label: 'never looked at' },
    { text: 'a', text2: 'b', label: 'c' },
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'hey' },
        { role: 'user', content: 'well?' },
        { role: 'assistant', content: 'the answer' },
      ],
    },
  ];
  expect(rows.map((row) => answers.get(hashInput(toInput(row)))?.answer)).toEqual(['x', 'y', 'z']);
});

test('different inputs have different names', () => {
  const hashes = [
    { text: 'a' },
    { text: 'b' },
    { text: 'a', text2: '' },
    { text: 'a', text2: 'b' },
    { messages: [{ role: 'user', content: 'a' }] },
    { messages: [{ role: 'system', content: 'a' }] },
    { messages: [{ role: 'user', content: 'a' }], tools: [{ type: 'function' }] },
  ].map(hashInput);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('an input may have the same answer twice, but not two different ones', async () => {
  const first = '{"text": "a", "answer": "x", "latency_ms": 1}\n';
  const answers = await readPredictionsFile(write(`${first}{"text": "a", "answer": "x", "latency_ms": 2}\n`));
  expect([...answers.values()].map(({ latencyMs }) => latencyMs)).toEqual([1]);
  const path = write(`${first}\n{"text": "a", "answer": null}\n`);
  await expect(readPredictionsFile(path)).rejects.toMatchObject({
    code: 'data-invalid',
    message: `${path}:3: expected the answer "x" of line 1, which has the same input, found null`,
  });
});

const place = ':1: expected';
test.each([
  ['{"text": "a"}', `${place} a text, or null in "answer", found nothing`],
  ['{"text": "a", "answer": true}', `${place} a text, or null in "answer", found true`],
  ['{"answer": "x"}', `${place} the input as "text" or as "messages", found neither`],
  ['{"text": "a", "messages": [], "answer": "x"}', `${place} the input as "text" or as "messages", found both`],
  ['{"text": 1, "answer": "x"}', `${place} a string in column "text", found 1`],
  ['{"text": "a", "text2": 1, "answer": "x"}', `${place} a string in column "text2", found 1`],
  ['{"text": " ", "answer": "x"}', ':1: column "text" is blank'],
  [
    '{"messages": [{"role": "clown"}], "answer": "x"}',
    ':1: messages[0].role: expected system, developer, user, assistant or tool, found "clown"',
  ],
  ['{"messages": [{"role": "user", "content": "a"}], "tools": 1, "answer": "x"}', `${place} a list of objects in "tools", found 1`],
  ['{"text": "a", "answer": "x", "probabilities": {"x": 1.5}}', `${place} a probability from 0 to 1 in "probabilities.x", found 1.5`],
  ['{"text": "a", "answer": "x", "probabilities": [1]}', `${place} an object of probabilities by label in "probabilities", found a list`],
  ['{"text": "a", "answer": "x", "log_probability": 0.5}', `${place} a natural logarithm, of at most 0 in "log_probability", found 0.5`],
  ['{"text": "a", "answer": "x", "truncated": "no"}', `${place} true or false in "truncated", found "no"`],
  ['{"text": "a", "answer": "x", "latency_ms": -1}', `${place} milliseconds in "latency_ms", found -1`],
  ['{"text": "a", "answer": "x", "tokens": {"input": 1}}', `${place} a whole number of tokens in "tokens.output", found nothing`],
  ['{"text": "a", "answer": "x", "tokens": 3}', `${place} an object {"input", "output"} in "tokens", found 3`],
  ['["a"]', `${place} a JSON object on each line, found "a"`],
  ['{"text": "a", "answer": "x"', ':1:28: not valid JSON'],
  ['', ': expected answers, one a line, found none'],
])('refused with file and line: %s', async (content, message) => {
  const path = write(content);
  await expect(readPredictionsFile(path)).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining(`${path}${message}`) as string,
  });
});

test('a table is no predictions file, and a missing file is reported', async () => {
  const path = write('text,answer\na,b\n', 'old.csv');
  await expect(readPredictionsFile(path)).rejects.toMatchObject({
    message: `expected a predictions file that ends in .jsonl or .jsonl.gz, found ${path}`,
  });
  await expect(readPredictionsFile('/nowhere/old.jsonl')).rejects.toMatchObject({ code: 'file-missing' });
});

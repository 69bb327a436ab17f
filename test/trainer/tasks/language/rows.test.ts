import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readChatRows, readPreferenceRows, type TextEncoder } from '../../../../src/trainer/tasks/language/rows.ts';
import { readTokenizer } from '../../../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../../../scratch.ts';

const fixtures = join(import.meta.dirname, '../../../../fixtures');
const encoder: TextEncoder = { tokenizer: readTokenizer(join(fixtures, 'models/tiny-llama')), config: { vocabSize: 768 }, maxLength: 96 };

function write(rows: readonly unknown[]): string {
  const path = join(createScratchFolder(), 'train.jsonl');
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

interface Forward {
  readonly examples: readonly { readonly prompt: string; readonly completion: string }[];
  readonly batch: Readonly<Record<'input_ids' | 'attention_mask' | 'labels', readonly (readonly number[])[]>>;
}
const forward = JSON.parse(readFileSync(join(fixtures, 'parity/llama-forward.json'), 'utf8')) as Forward;

/** A prompt and its answer. */
const join2 = (prompt: string, answer: string): { text: string; learned: [number, number][] } => ({
  text: prompt + answer,
  learned: [[prompt.length, prompt.length + answer.length]],
});

test('tokens and labels are those of the reference', async () => {
  const path = write(forward.examples.map(({ prompt, completion }) => join2(prompt, completion)));
  const { rows, truncated } = await readChatRows(encoder, path);
  expect(truncated).toBe(0);
  const width = forward.batch.input_ids[0]!.length;
  const pad = (values: readonly number[], value: number): number[] => [...values, ...new Array<number>(width - values.length).fill(value)];
  expect(rows.map((row) => pad(row!.ids, 0))).toEqual(forward.batch.input_ids);
  expect(
    rows.map((row) =>
      pad(
        row!.ids.map((id, i) => (row!.learned[i]! ? id : -100)),
        -100,
      ),
    ),
  ).toEqual(forward.batch.labels);
});

test('pairs, and only the rows that are chosen', async () => {
  const path = write([
    { chosen: join2('user: Hi\nassistant:', ' yes</s>'), rejected: join2('user: Hi\nassistant:', ' no</s>') },
    { chosen: 'never looked at' },
  ]);
  const { rows } = await readPreferenceRows(encoder, path, { choose: () => new Set([0]) });
  expect(rows[1]).toBeUndefined();
  const learn = ({ ids, learned }: { ids: readonly number[]; learned: readonly boolean[] }): string =>
    readTokenizer(join(fixtures, 'models/tiny-llama')).decode(
      ids.filter((_, i) => learned[i]),
      { keepsSpecial: true },
    );
  expect([learn(rows[0]!.chosen), learn(rows[0]!.rejected)]).toEqual(['yes</s>', 'no</s>']);
});

test('rows that are cut are counted', async () => {
  const long = join2('user: Hi\nassistant:', ` ${'word '.repeat(200)}</s>`);
  const { rows, truncated } = await readChatRows(encoder, write([long, join2('Hi', ' yes')]));
  expect(truncated).toBe(1);
  expect(rows.map((row) => row!.ids.length)).toEqual([96, expect.any(Number)]);
  expect(rows[0]!.learned).toHaveLength(96);
});

test('the first token is not learned', async () => {
  const bare: TextEncoder = { ...encoder, tokenizer: readTokenizer(join(fixtures, 'parity/tokenizers/qwen2')) };
  const { rows } = await readChatRows(bare, write([{ text: 'abc def', learned: [[0, 7]] }]));
  expect(rows[0]!.learned.indexOf(true)).toBe(1);
});

test('rows without a token to learn are refused', async () => {
  const none = { text: 'user: Hi', learned: [] };
  const path = write([join2('Hi', ' yes'), none, none]);
  await expect(readChatRows(encoder, path)).rejects.toMatchObject({
    code: 'data-invalid',
    message: `${path}:2: no token of the answer is left to learn (2 such rows; also at line 3)`,
    finding: 'tokens-none',
  });
  const far = write([join2('word '.repeat(200), ' yes</s>')]);
  await expect(readChatRows(encoder, far)).rejects.toMatchObject({
    message: `${far}:1: no token of the answer is left to learn within 96 tokens`,
    hint: expect.stringContaining('maxLength') as string,
  });
  const pair = write([{ chosen: join2('Hi', ' yes'), rejected: none }]);
  await expect(readPreferenceRows(encoder, pair)).rejects.toThrow('no token of the answer');
});

test.each([
  [{ text: 3, learned: [] }, '"text": expected a string, found 3'],
  [{ text: 'abc' }, '"learned": expected pairs of places in the text, 0 to 3, in order, found nothing'],
  [{ text: 'abc', learned: [[0, 4]] }, '"learned": expected pairs of places'],
  [{ text: 'abc', learned: [[2, 1]] }, '"learned": expected pairs of places'],
  [
    {
      text: 'abc',
      learned: [
        [1, 2],
        [0, 1],
      ],
    },
    '"learned": expected pairs of places',
  ],
  [{ text: 'abc', learned: [[0, 1, 2]] }, '"learned": expected pairs of places'],
])('a broken row is named: %j', async (row, message) => {
  const path = write([row]);
  await expect(readChatRows(encoder, path)).rejects.toThrow(`${path}:1: ${message}`);
  const pair = write([{ chosen: row, rejected: row }]);
  await expect(readPreferenceRows(encoder, pair)).rejects.toThrow(`${pair}:1: "chosen": ${message}`);
});

test('tokens that the model does not have are refused', async () => {
  await expect(readChatRows({ ...encoder, config: { vocabSize: 400 } }, write([join2('Hello', ' world')]))).rejects.toMatchObject({
    code: 'model-invalid',
    message: expect.stringMatching(/^the tokenizer gives token \d+, the model has tokens 0 to 399 only$/) as string,
  });
});

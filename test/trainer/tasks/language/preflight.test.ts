import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readEndTokens } from '../../../../src/trainer/end-tokens.ts';
import type { ChatTrainRow } from '../../../../src/trainer/protocol.ts';
import { checkTexts, type PreflightEncoder } from '../../../../src/trainer/tasks/language/preflight.ts';
import { readTokenizer } from '../../../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../../../scratch.ts';

const fixtures = join(import.meta.dirname, '../../../../fixtures');

function open(folder: string, maxLength = 96): PreflightEncoder {
  const tokenizer = readTokenizer(join(fixtures, folder));
  return { tokenizer, config: { vocabSize: 1000 }, maxLength, ends: readEndTokens(join(fixtures, folder), tokenizer) };
}

const llama = open('models/tiny-llama');
const qwen = open('parity/tokenizers/qwen2');

/** A text of which the parts in «…» are learned. */
function mark(marked: string): ChatTrainRow {
  const pieces = marked.split(/[«»]/);
  const places = pieces.map((_, i) => pieces.slice(0, i).join('').length);
  return { text: pieces.join(''), learned: places.flatMap((start, i) => (i % 2 === 1 ? [[start, places[i + 1]!] as const] : [])) };
}

test('answers that end are fine, in each template', () => {
  const talk = mark('user: Hi\nassistant:« Hello</s>»\nuser: Bye\nassistant:« See you</s>»');
  const chatml = mark('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello<|im_end|>\n»');
  const all = mark('«<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n»');
  expect(checkTexts([talk], llama)).toMatchObject({ rows: 1, findings: [] });
  expect(checkTexts([chatml, all], qwen).findings).toEqual([]);
  const { tokens, learned } = checkTexts([talk], llama);
  const count = (text: string): number => llama.tokenizer.locate(text).length;
  expect(tokens).toBe(1 + count(talk.text));
  expect(learned).toBe(count('Hello</s>') + count('See you</s>'));
});

test('an answer whose end is not learned is named with its row', () => {
  const endless = mark('user: Hi\nassistant:« Hello»</s>');
  const fine = mark('user: Hi\nassistant:« Hello</s>»');
  const finding = {
    code: 'end-not-learned',
    message: expect.stringMatching(
      /^the model does not learn where its answer ends: expected "<\/s>" as the last token, found ".*"$/,
    ) as string,
    rows: 1,
    shown: 'user: Hi\nassistant:« Hello»</s>',
  };
  expect(checkTexts([endless], llama).findings).toEqual([finding]);
  expect(checkTexts([fine, endless], llama).findings).toEqual([finding]);
  expect(checkTexts([fine], { ...llama, ends: new Set() }).findings[0]!.message).toContain('no file of the model names a token');
});

test('an answer that is cut off need not end', () => {
  const long = mark(`user: Hi\nassistant:« ${'word '.repeat(100)}</s>»`);
  expect(checkTexts([long], llama).findings).toEqual([]);
  const behind = mark(`user: Hi\nassistant:« Hello»\nuser: ${'word '.repeat(100)}\nassistant:« See you</s>»`);
  expect(checkTexts([behind], llama).findings.map(({ code }) => code)).toEqual(['end-not-learned']);
});

test('a row of which nothing is learned', () => {
  expect(checkTexts([mark('user: Hi')], llama).findings).toMatchObject([{ code: 'nothing-learned', shown: 'user: Hi' }]);
});

test('a tokenizer that changes the text', () => {
  const qwenLike = qwen.tokenizer;
  const lossy: PreflightEncoder = {
    ...qwen,
    tokenizer: { ...qwenLike, decode: (ids, options) => qwenLike.decode(ids, options).toLowerCase() },
  };
  const row = mark('<|im_start|>user\nhello Hi<|im_end|>\n<|im_start|>assistant\n«yes<|im_end|>\n»');
  expect(checkTexts([row], lossy).findings).toMatchObject([
    {
      code: 'text-not-restored',
      message: 'the tokens are not the text: expected "ser\\nhello Hi<|im_end|>\\n<|im_st", found "ser\\nhello hi"',
    },
  ]);
  // Composed characters are the same text, and marks of SentencePiece that a text holds are not.
  expect(checkTexts([mark('e\u0301 «a<|im_end|>»')], qwen).findings).toEqual([]);
  expect(checkTexts([mark('a\u2581b« a</s>»')], llama).findings.map(({ code }) => code)).toEqual(['text-not-restored']);
});

test('which tokens end an answer', () => {
  expect([...llama.ends]).toEqual([2]);
  expect(qwen.ends.has(qwen.tokenizer.locate('<|im_end|>')[0]!.id)).toBe(true);
  const folder = join(createScratchFolder(), 'model');
  cpSync(join(fixtures, 'models/tiny-llama'), folder, { recursive: true });
  writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": [7, 9]}');
  expect([...readEndTokens(folder, readTokenizer(folder))].sort((a, b) => a - b)).toEqual([2, 7, 9]);
});

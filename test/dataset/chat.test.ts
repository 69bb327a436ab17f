import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildPromptMessages,
  buildTrainingMessages,
  chatVersion,
  checkTemplate,
  getExpectedAnswer,
  getPrompt,
  parseLabel,
} from '../../src/dataset/chat.ts';

const labels = ['negative', 'positive'];

test('a change of these messages changes what models are asked and needs another version', () => {
  expect(chatVersion).toBe('classification-chat/1');
  expect(buildTrainingMessages({ text: 'Good.', label: 'positive' }, null, labels)).toEqual([
    { role: 'system', content: 'Classify the text.\n\nAnswer with exactly one of these labels: "negative", "positive".' },
    { role: 'user', content: 'Good.' },
    { role: 'assistant', content: 'positive' },
  ]);
  expect(buildPromptMessages({ text: 'a', text2: 'b' }, { system: 'Same?', template: undefined }, ['say "no"', 'é\n'])).toEqual([
    { role: 'system', content: 'Same?\n\nAnswer with exactly one of these labels: "say \\"no\\"", "é\\n".' },
    { role: 'user', content: 'a\n\nb' },
  ]);
});

test('an empty system message leaves the labels alone', () => {
  const [system] = buildPromptMessages({ text: 'a' }, { system: '' }, labels);
  expect(system!.content).toBe('Answer with exactly one of these labels: "negative", "positive".');
});

test('the template is filled in one pass, whatever the texts hold', () => {
  const toUser = (template: string, row: { text: string; text2?: string }): unknown =>
    buildPromptMessages(row, { template }, labels)[1]!.content;
  expect(toUser('{"x": "{text}"} {}', { text: "$& $1 $' {text2}" })).toBe(`{"x": "$& $1 $' {text2}"} {}`);
  expect(toUser('{text2}|{text}|{text2}', { text: '{text2}', text2: '{text}' })).toBe('{text}|{text2}|{text}');
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, text2) => {
      expect(toUser('<{text}|{text2}>', { text, text2 })).toBe(`<${text}|${text2}>`);
    }),
  );
});

test.each([
  ['{text}', false],
  ['{"text": {text}} {} { text } {a-b}', false],
  ['{text2} {text} {text}', true],
])('the template %j (pair: %s) is good', (template, isPair) => {
  expect(() => checkTemplate(template, isPair)).not.toThrow();
});

test.each([
  ['Read this.', false, 'expected {text}, found no {text}'],
  ['{text} {label}', false, 'expected {text}, found {label}'],
  ['{text} {Text}', false, 'expected {text}, found {Text}'],
  ['{text} {größe}', false, 'expected {text}, found {größe}'],
  ['{text} {text2}', false, 'expected {text}, found {text2}'],
  ['{text}', true, 'expected {text} and {text2}, found no {text2}'],
  ['{text2}', true, 'expected {text} and {text2}, found no {text}'],
])('the template %j (pair: %s) is refused: %s', (template, isPair, message) => {
  expect(() => checkTemplate(template, isPair)).toThrow(
    expect.objectContaining({ code: 'job-file-invalid', message: `prompt.template: ${message}` }),
  );
});

const user = { role: 'user', content: 'q' };
const answer = { role: 'assistant', content: 'a' };

test('the prompt is everything before the last answer', () => {
  expect(getPrompt({ messages: [user, answer, user, { ...answer, content: 'b' }] })).toEqual([user, answer, user]);
  expect(getPrompt({ prompt: [user], chosen: [answer], rejected: [answer] })).toEqual([user]);
});

test('the expected answer is text, or null where the model is to call a tool', () => {
  expect(getExpectedAnswer({ text: 'a', label: 'yes' })).toBe('yes');
  expect(getExpectedAnswer({ messages: [user, { ...answer, content: 'x' }, user, answer] })).toBe('a');
  expect(getExpectedAnswer({ prompt: [user], chosen: [answer], rejected: [{ ...answer, content: 'b' }] })).toBe('a');
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'refusal', refusal: 'r' },
    { type: 'text', text: 'b' },
  ];
  expect(getExpectedAnswer({ messages: [user, { role: 'assistant', content: parts }] })).toBe('ab');
  expect(getExpectedAnswer({ messages: [user, { role: 'assistant', content: null, tool_calls: [] }] })).toBeNull();
  expect(getExpectedAnswer({ messages: [user, { role: 'assistant', tool_calls: [] }] })).toBeNull();
  expect(getExpectedAnswer({ messages: [user, { role: 'assistant', content: '', tool_calls: [] }] })).toBeNull();
  expect(getExpectedAnswer({ messages: [user, { role: 'assistant', content: [{ type: 'refusal', refusal: 'r' }] }] })).toBeNull();
});

describe('the label in an answer', () => {
  const labels = ['negative', 'positive', 'Neutral', 'US', 'us', 'etc.', '"quoted"', 'two\nlines', 'é', ' padded '];

  test.each([
    ['positive', 'positive'],
    [' positive\n', 'positive'],
    ['positive.', 'positive'],
    ['"positive"', 'positive'],
    ['"positive."', 'positive'],
    ['"positive".', 'positive'],
    ["'positive'", 'positive'],
    ['“Positive”.', 'positive'],
    ['`positive`', 'positive'],
    ['‘positive’', 'positive'],
    ['«positive»', 'positive'],
    ['» positive «', null],
    ['POSITIVE', 'positive'],
    ['neutral.', 'Neutral'],
    ['US', 'US'],
    ['us.', 'us'],
    ['Us', null],
    ['etc.', 'etc.'],
    ['etc', null],
    ['etc..', 'etc.'],
    ['"quoted"', '"quoted"'],
    ['"\\"quoted\\""', '"quoted"'],
    ['"two\\nlines"', 'two\nlines'],
    ['e\u0301', 'é'],
    [' padded ', ' padded '],
    ['Padded', ' padded '],
    ['"positive', null],
    ['"positive\'', null],
    ['it is positive', null],
    ['positive, negative', null],
    ['', null],
    ['"', null],
    ['.', null],
    [null, null],
  ])('%j is read as %j', (answer, label) => {
    expect(parseLabel(answer, labels)).toBe(label);
  });

  test('every label is understood as it is, and as the prompt writes it', () => {
    const label = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => /\S/.test(text));
    fc.assert(
      fc.property(fc.uniqueArray(label, { minLength: 2, maxLength: 5 }), (names) => {
        for (const name of names) expect(parseLabel(name, names)).toBe(name);
        const written = JSON.stringify(names[0]);
        expect(parseLabel(written, names)).toBe(names.includes(written) ? written : names[0]);
      }),
    );
  });
});

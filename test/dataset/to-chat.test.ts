import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkTemplate, chatVersion, toExpectedAnswer, toPrompt, toPromptMessages, toTrainingMessages } from '../../src/dataset/to-chat.ts';

const labels = ['negative', 'positive'];

test('a change of these messages changes what models are asked and needs another version', () => {
  expect(chatVersion).toBe('classification-chat/1');
  expect(toTrainingMessages({ text: 'Good.', label: 'positive' }, null, labels)).toEqual([
    { role: 'system', content: 'Classify the text.\n\nAnswer with exactly one of these labels: "negative", "positive".' },
    { role: 'user', content: 'Good.' },
    { role: 'assistant', content: 'positive' },
  ]);
  expect(toPromptMessages({ text: 'a', text2: 'b' }, { system: 'Same?', template: undefined }, ['say "no"', 'é\n'])).toEqual([
    { role: 'system', content: 'Same?\n\nAnswer with exactly one of these labels: "say \\"no\\"", "é\\n".' },
    { role: 'user', content: 'a\n\nb' },
  ]);
});

test('an empty system message leaves the labels alone', () => {
  const [system] = toPromptMessages({ text: 'a' }, { system: '' }, labels);
  expect(system!.content).toBe('Answer with exactly one of these labels: "negative", "positive".');
});

test('the template is filled in one pass, whatever the texts hold', () => {
  const toUser = (template: string, row: { text: string; text2?: string }): unknown =>
    toPromptMessages(row, { template }, labels)[1]!.content;
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
  expect(toPrompt({ messages: [user, answer, user, { ...answer, content: 'b' }] })).toEqual([user, answer, user]);
  expect(toPrompt({ prompt: [user], chosen: [answer], rejected: [answer] })).toEqual([user]);
});

test('the expected answer is text, or null where the model is to call a tool', () => {
  expect(toExpectedAnswer({ text: 'a', label: 'yes' })).toBe('yes');
  expect(toExpectedAnswer({ messages: [user, { ...answer, content: 'x' }, user, answer] })).toBe('a');
  expect(toExpectedAnswer({ prompt: [user], chosen: [answer], rejected: [{ ...answer, content: 'b' }] })).toBe('a');
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'refusal', refusal: 'r' },
    { type: 'text', text: 'b' },
  ];
  expect(toExpectedAnswer({ messages: [user, { role: 'assistant', content: parts }] })).toBe('ab');
  expect(toExpectedAnswer({ messages: [user, { role: 'assistant', content: null, tool_calls: [] }] })).toBeNull();
  expect(toExpectedAnswer({ messages: [user, { role: 'assistant', tool_calls: [] }] })).toBeNull();
  expect(toExpectedAnswer({ messages: [user, { role: 'assistant', content: '', tool_calls: [] }] })).toBeNull();
  expect(toExpectedAnswer({ messages: [user, { role: 'assistant', content: [{ type: 'refusal', refusal: 'r' }] }] })).toBeNull();
});

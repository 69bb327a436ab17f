import { expect, test } from 'vitest';
import { countMessageTokens, countRowTokens, loadTokenizer } from '../../../providers/openai/count-tokens.ts';

const count = await loadTokenizer();
const plan = { prompt: null, labels: ['no', 'yes'] };

// The pieces of the sentence, read by hand: t|ikt|oken| is| great|!
test.each([
  ['tiktoken is great!', 6],
  ['Answer with exactly one of these labels: "no", "yes".', 14],
  ['Grüße aus Köln 👋', 7],
  ['<|endoftext|>', 7],
  ['東京の天気', 4],
  ['{"a": 1}', 6],
  ['tomorrow', 2],
  ['', 0],
])('%s has %i tokens', (text, tokens) => {
  expect(count(text)).toBe(tokens);
});

test('a conversation: texts, and 3 beside the role of each message, 3 for the answer, 1 for a name', () => {
  const messages = [
    { role: 'system', content: 'hello world' },
    { role: 'user', content: 'tomorrow', name: 'positive' },
  ];
  // 2 + 2; 3 + (3 + 1 + 2) + (3 + 1 + 2 + 1 + 1)
  expect(countMessageTokens(messages, undefined, count)).toEqual({ least: 4, most: 17 });
});

test('parts, tools and calls of tools', () => {
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  const parts = [{ role: 'user', content: [{ type: 'text', text: 'hello world' }, image] }];
  expect(countMessageTokens(parts, undefined, count)).toEqual({ least: 2, most: 3 + 3 + 1 + 2 });
  expect(countMessageTokens(parts, [{ a: 1 }], count).most).toBe(9 + count('[{"a":1}]'));
  const calls = [{ id: 'c' }];
  const calling = [{ role: 'assistant', content: null, tool_calls: calls, weight: 1 }];
  expect(countMessageTokens(calling, [], count)).toEqual({ least: 0, most: 3 + 3 + 1 + count(JSON.stringify({ tool_calls: calls })) });
});

test('a row of each task', () => {
  const chat = [
    { role: 'user', content: 'hello world' },
    { role: 'assistant', content: 'tomorrow' },
  ];
  expect(countRowTokens({ messages: chat }, plan, count)).toEqual({ least: 4, most: 15 });
  const pair = { prompt: chat.slice(0, 1), chosen: chat.slice(1), rejected: [{ role: 'assistant', content: 'positive' }] };
  // The prompt once, and with each end: 2 + 2 + 1, and (3 + 6 + 6) + (3 + 6 + 5).
  expect(countRowTokens(pair, plan, count)).toEqual({ least: 5, most: 29 });
  // Classify the text. (4) + a blank line (1 of its own, or with the stop) + 14, "hello world" 2, "yes" 1
  const texts = count('Classify the text.\n\nAnswer with exactly one of these labels: "no", "yes".') + 3;
  expect(countRowTokens({ text: 'hello world', label: 'yes' }, plan, count)).toEqual({ least: texts, most: texts + 3 + 3 * 4 });
});

test('of a long example only what the service reads', () => {
  const messages = [{ role: 'user', content: 'hello world'.repeat(70_000) }];
  expect(countRowTokens({ messages }, plan, count)).toEqual({ least: 65_536, most: 65_536 });
});

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLeadCutter, readLocalTemplate, toChatTrainRow, toPreferenceTrainRow } from '../../../providers/local/chat-template.ts';
import type { ChatMessage } from '../../../src/dataset/row.ts';
import { createScratchFolder } from '../../scratch.ts';

const fixtures = join(import.meta.dirname, '../../../fixtures');
const llama = join(fixtures, 'models/tiny-llama');

/** A tokenizer of its own with these files beside it. */
function makeFolder(tokenizer: string, files: Readonly<Record<string, unknown>>): string {
  const folder = join(createScratchFolder(), 'model');
  cpSync(join(fixtures, tokenizer), folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    rmSync(join(folder, name), { force: true });
    if (content !== null) writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

const say = (role: string, content: unknown, fields: object = {}): ChatMessage => ({ role, content, ...fields });
const talk: readonly ChatMessage[] = [say('user', 'Hi'), say('assistant', 'Hello'), say('user', 'Bye'), say('assistant', 'See you')];

function cutLearned({ text, learned }: { readonly text: string; readonly learned: readonly (readonly [number, number])[] }): string[] {
  return learned.map(([start, end]) => text.slice(start, end));
}

interface Forward {
  readonly examples: readonly { readonly prompt: string; readonly completion: string }[];
}

test('a folder without a template writes lines, as the reference figures have them', () => {
  const { template, note } = readLocalTemplate(llama);
  expect(note).toBe('the folder has no chat template: conversations are written as lines such as "user: …", and "</s>" ends an answer');
  const { examples } = JSON.parse(readFileSync(join(fixtures, 'parity/llama-forward.json'), 'utf8')) as Forward;
  for (const { prompt, completion } of examples) {
    const [, system, user] = /^system: (.*)\nuser: (.*)\nassistant:$/.exec(prompt)!;
    const messages = [say('system', system), say('user', user), say('assistant', completion.slice(1, -4))];
    expect(toChatTrainRow(template, { messages })).toEqual({
      text: prompt + completion,
      learned: [[prompt.length, prompt.length + completion.length]],
    });
    expect(template.render({ messages: messages.slice(0, 2) }, { addGenerationPrompt: true }).text).toBe(prompt);
  }
});

test.each([
  [' ', [' Hello', ' you'], 'Hello you'],
  [' ', ['', ' ', ' a'], ' a'],
  [' ', ['{"a":', ' 1}'], '{"a": 1}'],
  ['> ', ['>', ' a', '> b'], 'a> b'],
  ['', [' a'], ' a'],
])('what leads an answer (%j) is cut from its beginning alone: %j', (lead, parts, answer) => {
  expect(parts.map(createLeadCutter(lead)).join('')).toBe(answer);
});

test('a model that answers with plain lines begins with the space behind "assistant:"', () => {
  const { template, answerLead } = readLocalTemplate(llama);
  const row = toChatTrainRow(template, { messages: talk });
  expect(cutLearned(row).every((answer) => answer.startsWith(answerLead))).toBe(true);
  expect(answerLead).toBe(' ');
});

test('each answer of plain lines ends, and is learned to its end', () => {
  const { template } = readLocalTemplate(llama);
  const row = toChatTrainRow(template, { messages: talk });
  expect(row.text).toBe('user: Hi\nassistant: Hello</s>\nuser: Bye\nassistant: See you</s>');
  expect(cutLearned(row)).toEqual([' Hello</s>', ' See you</s>']);
  expect(cutLearned(toChatTrainRow(template, { messages: talk }, { answers: 'last' }))).toEqual([' See you</s>']);
  expect(cutLearned(toChatTrainRow(template, { messages: talk }, { loss: 'all' }))).toEqual([row.text]);
  const weighed = talk.with(1, say('assistant', 'Hello', { weight: 0 }));
  expect(cutLearned(toChatTrainRow(template, { messages: weighed }))).toEqual([' See you</s>']);
});

test('both ends of a preference stand behind the same conversation, of which nothing is learned', () => {
  const { template } = readLocalTemplate(llama);
  const { chosen, rejected } = toPreferenceTrainRow(template, {
    prompt: talk.slice(0, 3),
    chosen: [say('assistant', 'See you')],
    rejected: [say('assistant', 'No')],
  });
  expect([cutLearned(chosen), cutLearned(rejected)]).toEqual([[' See you</s>'], [' No</s>']]);
  expect(chosen.text.slice(0, chosen.learned[0]![0])).toBe(rejected.text.slice(0, rejected.learned[0]![0]));
});

test('ChatML where the tokenizer has its tokens and the folder has no template', () => {
  const { template, note } = readLocalTemplate(join(fixtures, 'parity/tokenizers/qwen2'));
  expect(note).toBe('the folder has no chat template: conversations are written as ChatML');
  const row = toChatTrainRow(template, { messages: talk.slice(0, 2) });
  expect(row.text).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n');
  expect(cutLearned(row)).toEqual(['Hello<|im_end|>\n']);
});

test('the folder’s own template comes first, from its own file or the tokenizer’s', () => {
  const own = '{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}';
  const config = { bos_token: '<s>', eos_token: { content: '</s>' }, chat_template: [{ name: 'default', template: own }] };
  const listed = makeFolder('parity/tokenizers/qwen2', { 'tokenizer_config.json': config });
  const filed = makeFolder('models/tiny-llama', { 'chat_template.jinja': own });
  for (const folder of [listed, filed]) {
    const { template, note } = readLocalTemplate(folder);
    expect(note).toBeNull();
    expect(template.render({ messages: talk.slice(0, 1) }).text).toBe('<s>[user] Hi</s>');
    expect(toChatTrainRow(template, { messages: talk.slice(0, 2) }).hasBegin).toBe(true); // it says itself where a text begins
  }
});

test('the end of an answer is the eos_token of the files, or that of the configuration’s number', () => {
  const nameless = { 'special_tokens_map.json': null, 'tokenizer_config.json': {} };
  const render = (folder: string): string => readLocalTemplate(folder).template.render({ messages: talk.slice(0, 2) }).text;
  expect(render(makeFolder('models/tiny-llama', nameless))).toBe('user: Hi\nassistant: Hello</s>');
  const endless = makeFolder('models/tiny-llama', { ...nameless, 'config.json': {} });
  expect(render(endless)).toBe('user: Hi\nassistant: Hello');
  expect(readLocalTemplate(endless).note).toContain('answers have no end, since the folder names no eos_token');
});

test('images are refused, not left out', () => {
  const messages = [say('user', [{ type: 'image_url' }]), say('assistant', 'Hello')];
  for (const folder of [llama, join(fixtures, 'parity/tokenizers/qwen2')])
    expect(() => toChatTrainRow(readLocalTemplate(folder).template, { messages })).toThrow('other things than texts need');
});

test('tools and their calls are written as JSON', () => {
  const call = { id: 'a', type: 'function', function: { name: 'add', arguments: '{"a": 1}' } };
  const messages = [
    say('user', 'Hi'),
    say('assistant', null, { tool_calls: [call, call] }),
    say('tool', '3'),
    say('assistant', 'Three', { tool_calls: [] }),
  ];
  const row = toChatTrainRow(readLocalTemplate(llama).template, { messages, tools: [{ type: 'function' }] });
  const written = String.raw`{"name": "add", "arguments": "{\"a\": 1}"}`;
  expect(row.text).toBe(`tools: [{"type": "function"}]\nuser: Hi\nassistant: ${written}\n${written}</s>\ntool: 3\nassistant: Three</s>`);
  expect(cutLearned(row)).toEqual([` ${written}\n${written}</s>`, ' Three</s>']);
  const chatml = readLocalTemplate(join(fixtures, 'parity/tokenizers/qwen2')).template;
  expect(toChatTrainRow(chatml, { messages: talk.slice(0, 2), tools: [{ type: 'function' }] }).text).toMatch(
    /^<\|im_start\|>tools\n\[\{"type": "function"\}\]<\|im_end\|>\n<\|im_start\|>user\n/,
  );
});

test('parts of text are written one after the other', () => {
  const messages = [
    say('user', [
      { type: 'text', text: 'one ' },
      { type: 'text', text: 'two' },
    ]),
    say('assistant', 'Hello'),
  ];
  expect(toChatTrainRow(readLocalTemplate(llama).template, { messages }).text).toBe('user: one two\nassistant: Hello</s>');
});

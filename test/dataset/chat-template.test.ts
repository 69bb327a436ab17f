import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { maskChat, type LearnedAnswers } from '../../src/dataset/chat-mask.ts';
import { parseChatTemplate, type ChatTemplate } from '../../src/dataset/chat-template.ts';
import type { ChatMessage } from '../../src/dataset/row.ts';
import { Failure } from '../../src/errors.ts';

interface Reference {
  readonly bos_token: string;
  readonly eos_token: string;
  readonly templates: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, readonly ChatMessage[]>>;
  readonly cases: readonly {
    readonly template: string;
    readonly conversation: string;
    readonly add_generation_prompt: boolean;
    readonly rendered?: string;
    readonly error?: string;
  }[];
}

const reference = JSON.parse(readFileSync('fixtures/parity/chat-templates.json', 'utf8')) as Reference;
const { bos_token, eos_token, templates, conversations } = reference;

const today = (): Date => new Date(2026, 10, 3, 14, 5, 9);

function toTemplate(template: string): ChatTemplate {
  return parseChatTemplate({ template, specialTokens: { bos_token, eos_token }, path: 'folder' }, today);
}

describe('a chat template', () => {
  test.each(reference.cases)('$template, $conversation, $add_generation_prompt: as Jinja2 renders it', (one) => {
    const template = toTemplate(templates[one.template]!);
    const messages = conversations[one.conversation]!;
    const render = (): string => {
      try {
        return template.render({ messages }, { addGenerationPrompt: one.add_generation_prompt }).text;
      } catch (error) {
        return (error as Failure).message;
      }
    };
    const error = `the chat template refuses the conversation: ${one.error?.replace('TemplateError: ', '')}`;
    expect(render()).toBe(one.rendered ?? error);
  });

  test('has the tools as JSON of Python, or none', () => {
    const template = toTemplate('{% if tools is none %}none{% else %}{{ tools | tojson }}{% endif %}');
    const tools = [{ type: 'function', function: { name: 'é', parameters: { required: ['a'] } } }];
    expect(template.render({ messages: [], tools }).text).toBe(
      '[{"type": "function", "function": {"name": "é", "parameters": {"required": ["a"]}}}]',
    );
    expect(template.render({ messages: [] }).text).toBe('none');
    expect(template.render({ messages: [], tools: [] }).text).toBe('none');
  });

  test('has the date in the words of the locale C', () => {
    expect(toTemplate('{{ strftime_now("%d %b %Y, %A %B %I:%M %p, %y %H%S%% %Q") }}').render({ messages: [] }).text).toBe(
      '03 Nov 2026, Tuesday November 02:05 PM, 26 1409% %Q',
    );
  });

  test('that is not valid is a failure of the model', () => {
    expect(() => toTemplate('{% if %}')).toThrow(
      expect.objectContaining({
        code: 'model-invalid',
        message: expect.stringContaining('folder: the chat template is not valid: ') as string,
      }),
    );
  });

  test('cannot fill the memory with a range', () => {
    expect(() => toTemplate('{{ range(10000000000) }}').render({ messages: [] })).toThrow(Failure);
    expect(toTemplate('{{ range(5, 1, -2) | list }}').render({ messages: [] }).text).toBe('[5, 3]');
  });
});

const dialogue: readonly ChatMessage[] = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello!' },
  { role: 'user', content: 'Again' },
  { role: 'assistant', content: ' Nice 😀 ' },
];

function findLearnedTexts(template: string, messages: readonly ChatMessage[], answers?: LearnedAnswers): string[] {
  const { text, learned } = maskChat(toTemplate(template), { messages }, answers);
  return learned.map(([start, end]) => text.slice(start, end));
}

describe('what is learned of a conversation', () => {
  test.each([
    ['chatml', ['Hello!<|im_end|>\n', ' Nice 😀 <|im_end|>\n']],
    ['llama3', ['Hello!<|eot_id|>', 'Nice 😀<|eot_id|>']],
    ['zephyr', ['Hello!</s>\n', ' Nice 😀 </s>\n']],
    // It asks for an answer with a line feed that it leaves out once the answer is there, so that no end of a turn can be told.
    ['strict', ['Hello!', 'Nice 😀']],
  ])('%s: each answer with the end of its turn', (name, texts) => {
    expect(findLearnedTexts(templates[name]!, dialogue)).toEqual(texts);
  });

  test.each(['chatml', 'strict'])('%s: only the last answer, or those whose weight is not 0', (name) => {
    const [first, second] = findLearnedTexts(templates[name]!, dialogue);
    expect(findLearnedTexts(templates[name]!, dialogue, 'last')).toEqual([second]);
    const weighed = dialogue.with(3, { ...dialogue[3]!, weight: 0 });
    expect(findLearnedTexts(templates[name]!, weighed)).toEqual([first]);
    expect(findLearnedTexts(templates[name]!, weighed, 'last')).toEqual([first]);
  });

  const withBlocks =
    '{% for m in messages %}\n  {%- if m.role == "assistant" %}\nA:\n  {% generation %}\n{{ m.content }}<e>\n  {%- endgeneration %}\n|{% else %}U:{{ m.content }}|{% endif %}\n{% endfor %}';

  test('generation blocks say it, and leave no trace in the text', () => {
    const { text, generated } = toTemplate(withBlocks).render({ messages: dialogue });
    expect(text).toBe('U:Hi|A:\nHello!<e>|U:Again|A:\n Nice 😀 <e>|');
    expect(generated!.map(([start, end]) => text.slice(start, end))).toEqual(['Hello!<e>', ' Nice 😀 <e>']);
    expect(findLearnedTexts(withBlocks, dialogue)).toEqual(['Hello!<e>', ' Nice 😀 <e>']);
    expect(findLearnedTexts(withBlocks, dialogue.with(1, { ...dialogue[1]!, weight: 0 }))).toEqual([' Nice 😀 <e>']);
  });

  test('a template that hides earlier answers leaves the last one, with its heading where it asks for no answer', () => {
    const template =
      '{% for m in messages %}{% if m.role == "user" or loop.last %}[{{ m.role }}] {{ m.content }}</s>{% endif %}{% endfor %}';
    expect(findLearnedTexts(template, dialogue)).toEqual(['[assistant]  Nice 😀 </s>']);
  });
});

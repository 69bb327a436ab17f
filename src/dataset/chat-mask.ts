/** Which part of a conversation a model learns: the answers of the assistant, as the text that its chat template writes. */
import type { ChatTemplate, Span, TemplateInput } from './chat-template.ts';
import type { ChatMessage } from './row.ts';

/** `all`: every answer whose `weight` is not 0, as OpenAI does; `last`: the last of them, as TRL does with a prompt and a completion. */
export type LearnedAnswers = 'all' | 'last';

/** The indices of the messages that are learned. */
export function findLearned(messages: readonly ChatMessage[], answers: LearnedAnswers = 'all'): number[] {
  const learned = messages.flatMap(({ role, weight }, i) => (role === 'assistant' && weight !== 0 ? [i] : []));
  return answers === 'all' ? learned : learned.slice(-1);
}

/** A conversation as text with the parts of it that are learned, in order. */
export interface MaskedChat {
  readonly text: string;
  readonly learned: readonly Span[];
}

/**
 * The text of a conversation and what of it is learned. Where the template has generation blocks, they say it. Else an answer reaches from
 * the end of the prompt that asks for it, as the template writes that, to the end of its turn, so that the model also learns to end. A
 * template that writes the beginning of a conversation in another way once it goes on has no such ends: there the words of the answer
 * alone are learned.
 * @throws Failure `data-invalid` as `ChatTemplate.render`
 */
export function maskChat(template: ChatTemplate, input: TemplateInput, answers: LearnedAnswers = 'all'): MaskedChat {
  const { text, generated } = template.render(input);
  const learned = findLearned(input.messages, answers);
  const assistants = findAssistants(input);
  if (generated !== null && learned.length === assistants.length) return { text, learned: generated };
  if (generated !== null && generated.length === assistants.length) {
    return { text, learned: generated.filter((_, i) => learned.includes(assistants[i]!)) };
  }
  const spans = learned.map((at) => findTurn(template, input, { at, text }) ?? findWords(template, input, { at, text }));
  return { text, learned: spans.filter((span) => span !== null) };
}

function findAssistants({ messages }: TemplateInput): number[] {
  return messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
}

interface Turn {
  /** Of the message. */
  readonly at: number;
  /** Of the whole conversation. */
  readonly text: string;
}

/** From where the template would ask for this answer to where its turn ends. */
function findTurn(template: ChatTemplate, { messages, tools }: TemplateInput, { at, text }: Turn): Span | null {
  const isLast = at === messages.length - 1;
  const whole = isLast ? text : tryRender(template, { messages: messages.slice(0, at + 1), tools });
  const prompt = tryRender(template, { messages: messages.slice(0, at), tools }, true);
  if (whole === null || prompt === null || !text.startsWith(whole) || !whole.startsWith(prompt)) return null;
  return [prompt.length, whole.length];
}

function tryRender(template: ChatTemplate, input: TemplateInput, addGenerationPrompt = false): string | null {
  try {
    return template.render(input, { addGenerationPrompt }).text;
  } catch {
    return null; // a beginning may be no conversation to the template
  }
}

/** Half of a surrogate pair, which no text of a row holds. */
const mark = '\udc02';

/** Where the content of a message stands in the text: where a mark at its first and last word does. */
function findWords(template: ChatTemplate, { messages, tools }: TemplateInput, { at, text }: Turn): Span | null {
  const { content } = messages[at]!;
  if (typeof content !== 'string') return null;
  const words = content.trim();
  const marked = content.replace(words, () => `${mark}${words}${mark}`);
  const rendered = tryRender(template, { messages: messages.with(at, { ...messages[at]!, content: marked }), tools });
  const [before, inside, ...rest] = rendered?.split(mark) ?? [];
  if (before === undefined || inside === undefined || rest.length !== 1 || before + inside + rest[0]! !== text) return null;
  return [before.length, before.length + inside.length];
}

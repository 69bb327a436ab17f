import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ChatMessage, Row } from '../../src/dataset/row.ts';
import type { RowsPlan } from './request.ts';

/** Tokens of a text. */
export type Tokenizer = (text: string) => number;

/**
 * How many tokens the service sees in something. Between the two figures lies what it does not publish: how it writes messages, tools
 * and calls of tools around the texts.
 */
export interface TokenCount {
  /** The texts alone. */
  readonly least: number;
  readonly most: number;
}

/**
 * The tokenizer of the models of the gpt-4o and gpt-4.1 families, which is `o200k_base`. What looks like a special token is text to it,
 * as it is to the service.
 */
export async function loadTokenizer(): Promise<Tokenizer> {
  const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
  const options = { disallowedSpecial: new Set<string>() };
  return (text) => countTokens(text, options);
}

/** Longer examples are cut at their end. */
export const longestExample = 65_536;

/** Tokens that a training on a row counts, once through. */
export function countRowTokens(row: Row, { prompt, labels }: Pick<RowsPlan, 'prompt' | 'labels'>, count: Tokenizer): TokenCount {
  if ('chosen' in row) return toPairCount(row, count);
  const messages = 'messages' in row ? row.messages : buildTrainingMessages(row, prompt, labels);
  const { least, most } = countMessageTokens(messages, 'tools' in row ? row.tools : undefined, count);
  return { least: Math.min(least, longestExample), most: Math.min(most, longestExample) };
}

/** How the service counts a pair is not published: its prompt may be counted once, or with each of the two ends. */
function toPairCount({ prompt, chosen, rejected, tools }: Extract<Row, { chosen: unknown }>, count: Tokenizer): TokenCount {
  const [better, worse] = [chosen, rejected].map((end) => countMessageTokens([...prompt, ...end], tools, count));
  const { least: once } = countMessageTokens(prompt, tools, count);
  return { least: better!.least + worse!.least - once, most: better!.most + worse!.most };
}

/** Before each message, and before the answer that follows them; a name takes one more. */
const perMessage = 3;
const perAnswer = 3;
const perName = 1;

/**
 * Tokens of a conversation. `most` is the estimate of OpenAI's cookbook ("How to count tokens with tiktoken"): 3 for each message beside
 * its role, its texts and its name, 1 more for a name, and 3 for the beginning of the answer. Tools and calls of tools, which it does not
 * count so, stand for as many as their JSON has, and images for none.
 */
export function countMessageTokens(messages: readonly ChatMessage[], tools: readonly unknown[] | undefined, count: Tokenizer): TokenCount {
  let least = 0;
  let most = perAnswer + (tools === undefined || tools.length === 0 ? 0 : count(JSON.stringify(tools)));
  for (const { role, content, name, weight: _, ...others } of messages) {
    const text = toTexts(content).reduce((sum, part) => sum + count(part), 0);
    least += text;
    most += perMessage + count(role) + text + (typeof name === 'string' ? count(name) + perName : 0);
    if (Object.keys(others).length > 0) most += count(JSON.stringify(others));
  }
  return { least, most };
}

function toTexts(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return (content as { text?: unknown; refusal?: unknown }[]).flatMap(({ text, refusal }) =>
    [text, refusal].filter((part) => typeof part === 'string'),
  );
}

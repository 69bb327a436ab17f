import { findLearned } from '../../src/dataset/chat-mask.ts';
import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ChatMessage, Row } from '../../src/dataset/row.ts';
import type { RowContext, RowTokenizer, RowTokens } from '../../src/dataset/token-counts.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { countMessageTokens, loadTokenizer, longestExample, type Tokenizer } from './tokens.ts';

/** Models whose tokenizer is `o200k_base`, tuned ones too. */
const known = /^(?:ft:)?(?:gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|chatgpt-4o|o[134])(?:[-:.]|$)/;

/** Counts tokens as the models of the gpt-4o and gpt-4.1 families do; null for other models. */
export async function loadRowTokenizer(model: ModelName): Promise<RowTokenizer | null> {
  if (model.kind !== 'service' || !known.test(model.name)) return null;
  const count = await loadTokenizer();
  return {
    name: model.name,
    limit: longestExample,
    getNote: () => 'what the service writes around messages, tools and calls is estimated, and images are not counted',
    countText: count,
    count: (row, context) => countRow(row, context, count),
  };
}

function countRow(row: Row, context: RowContext, count: Tokenizer): RowTokens {
  if ('chosen' in row) {
    const [better, worse] = [row.chosen, row.rejected].map((end) => {
      const messages = [...row.prompt.map(withoutLoss), ...end];
      return countMessages(messages, { tools: row.tools, learned: findLearned(messages), count });
    });
    return {
      all: better!.all + worse!.all,
      learned: better!.learned! + worse!.learned!,
      learnedWithin: Math.min(better!.learnedWithin!, worse!.learnedWithin!),
    };
  }
  const messages = 'messages' in row ? row.messages : buildTrainingMessages(row, null, context.labels);
  const tools = 'tools' in row ? row.tools : undefined;
  return countMessages(messages, { tools, learned: findLearned(messages, context.answers), count });
}

function withoutLoss(message: ChatMessage): ChatMessage {
  return { ...message, weight: 0 };
}

interface Counted {
  readonly tools: readonly unknown[] | undefined;
  readonly learned: readonly number[];
  readonly count: Tokenizer;
}

/** Messages are cut at their end, so that what is lost of the answers is lost from the last one first. */
function countMessages(messages: readonly ChatMessage[], { tools, learned, count }: Counted): RowTokens {
  const all = countMessageTokens(messages, tools, count).most;
  const perAnswer = learned.map((at) => Math.max(1, countAnswer(messages[at]!, count)));
  const sum = perAnswer.reduce((total, tokens) => total + tokens, 0);
  let within = 0;
  for (const [i, at] of learned.entries()) {
    const before = countMessageTokens(messages.slice(0, at), tools, count).most;
    within += all <= longestExample ? perAnswer[i]! : Math.min(perAnswer[i]!, Math.max(0, longestExample - before));
  }
  return { all, learned: sum, learnedWithin: within };
}

/** The words of an answer and its calls of tools. */
function countAnswer(message: ChatMessage, count: Tokenizer): number {
  const { least } = countMessageTokens([message], undefined, count);
  const { tool_calls: calls } = message;
  return least + (Array.isArray(calls) ? count(JSON.stringify(calls)) : 0);
}

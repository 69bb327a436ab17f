import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { checkColumns, parseText } from './check-values.ts';
import { createDataFailure } from './findings.ts';
import { parseMessages, parseTools } from './messages.ts';
import type { ChatMessage, PreferenceRow, RawRow } from './row.ts';

type Messages = readonly ChatMessage[];

/** The two ends of a conversation, with or without the prompt before each. */
type Ends = Pick<PreferenceRow, 'chosen' | 'rejected'>;

export interface PreferenceColumns {
  /** Absent: a column `prompt` where the row has one, else the common beginning of both ends. */
  readonly prompt?: string | undefined;
  readonly chosen: string;
  readonly rejected: string;
}

/**
 * The conversation of a row with its two ends. Texts become one user message (the prompt) and one assistant message; lists of
 * messages stay as they are, and may both begin with the prompt (TRL's "implicit prompt"). Lines in OpenAI's own format
 * (`input`, `preferred_output`, `non_preferred_output`) are read where the columns have their default names.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` as `parseMessages` and `parseTools`, for a row without a prompt, and for ends that are equal, or do not
 *   begin and end with an assistant message.
 */
export function parsePreferenceRow({ line, row }: RawRow, columns: PreferenceColumns, path: string): PreferenceRow {
  const place = `${path}:${line}`;
  if (isOpenaiRow(row, columns)) return parseOpenaiRow(row, place);
  checkColumns(row, [columns.prompt, columns.chosen, columns.rejected], place);
  const column = columns.prompt ?? (Object.hasOwn(row, 'prompt') ? 'prompt' : undefined);
  const prompt = column === undefined ? null : parseTurns(row, column, place);
  const ends = splitPrompt(prompt, {
    chosen: toAnswer(parseTurns(row, columns.chosen, place)),
    rejected: toAnswer(parseTurns(row, columns.rejected, place)),
  });
  if (ends.prompt.length === 0) {
    const shown = `${formatValue(columns.chosen)} and ${formatValue(columns.rejected)}`;
    throw createDataFailure('chat-pair', `${place}: expected a column "prompt", or columns ${shown} that begin with it, found neither`, {
      hint: 'The job file names the columns in data.columns.',
    });
  }
  checkEnds(ends, place, [columns.chosen, columns.rejected]);
  return { ...ends, ...parseTools(row, place) };
}

/** A text, or a list of messages. */
function parseTurns(row: RawRow['row'], column: string, place: string): string | Messages {
  const value = row[column];
  if (typeof value === 'string') return parseText(value, column, place);
  if (Array.isArray(value)) return parseMessages(value, `${place}: ${column}`);
  const found = `column ${formatValue(column)}, found ${formatValue(value)}`;
  throw createDataFailure('value-kind', `${place}: expected a string or a list of messages in ${found}`);
}

function toAnswer(turns: string | Messages): Messages {
  return typeof turns === 'string' ? [{ role: 'assistant', content: turns }] : turns;
}

function isOpenaiRow(row: RawRow['row'], { prompt, chosen, rejected }: PreferenceColumns): boolean {
  if (prompt !== undefined || chosen !== 'chosen' || rejected !== 'rejected') return false;
  if (Object.hasOwn(row, 'chosen') || Object.hasOwn(row, 'rejected')) return false;
  return Object.hasOwn(row, 'preferred_output') || Object.hasOwn(row, 'non_preferred_output');
}

function parseOpenaiRow(row: RawRow['row'], place: string): PreferenceRow {
  const columns = ['input', 'preferred_output', 'non_preferred_output'] as const;
  checkColumns(row, columns, place);
  const [input, chosen, rejected] = columns.map((column) => row[column]);
  if (!isObject(input))
    throw createDataFailure('value-kind', `${place}: expected an object in column "input", found ${formatValue(input)}`);
  const ends = {
    prompt: parseMessages(input['messages'], `${place}: input.messages`),
    chosen: parseMessages(chosen, `${place}: preferred_output`),
    rejected: parseMessages(rejected, `${place}: non_preferred_output`),
  };
  checkEnds(ends, place, ['preferred_output', 'non_preferred_output']);
  return { ...ends, ...parseTools(input, `${place}: input`) };
}

function checkEnds({ chosen, rejected }: PreferenceRow, place: string, columns: readonly [chosen: string, rejected: string]): void {
  for (const [i, end] of [chosen, rejected].entries()) {
    const wrong = [end[0], end.at(-1)].find((message) => message?.role !== 'assistant');
    if (wrong === undefined) continue;
    const where = wrong === end[0] ? 'first message after the prompt' : 'last message';
    const message = `${place}: ${columns[i]}: expected the ${where} to be the assistant's, found ${formatValue(wrong.role)}`;
    throw createDataFailure('chat-order', message);
  }
  if (!isDeepStrictEqual(chosen, rejected)) return;
  const found = `the same in ${columns.map(formatValue).join(' and ')}`;
  throw createDataFailure('chat-pair', `${place}: expected a better and a worse answer, found ${found}`);
}

/**
 * The prompt once, and the two ends after it. Where `prompt` is null, it is the common beginning of both ends, which may be empty. A text
 * beside ends that begin with it is the last question of such a prompt, as in UltraFeedback.
 */
function splitPrompt(prompt: string | Messages | null, { chosen, rejected }: Ends): Pick<PreferenceRow, 'prompt'> & Ends {
  const count = countRepeated(prompt, { chosen, rejected });
  const given = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : (prompt ?? []);
  return { prompt: count > 0 ? chosen.slice(0, count) : given, chosen: chosen.slice(count), rejected: rejected.slice(count) };
}

/** How many messages at the beginning of both ends belong to the prompt. */
function countRepeated(prompt: string | Messages | null, { chosen, rejected }: Ends): number {
  if (prompt !== null && typeof prompt !== 'string') {
    const { length } = prompt;
    return [chosen, rejected].every((end) => end.length > length && isDeepStrictEqual(end.slice(0, length), prompt)) ? length : 0;
  }
  const count = countCommon(chosen, rejected);
  const isAsked = prompt === null || chosen.slice(0, count).some(({ role, content }) => role === 'user' && content === prompt);
  return isAsked ? count : 0;
}

/** The longest common beginning after which both ends go on with the assistant. */
function countCommon(chosen: Messages, rejected: Messages): number {
  let count = 0;
  const most = Math.min(chosen.length, rejected.length) - 1;
  while (count < most && isDeepStrictEqual(chosen[count], rejected[count])) count++;
  while (count > 0 && (chosen[count]!.role !== 'assistant' || rejected[count]!.role !== 'assistant')) count--;
  return count;
}

import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../errors.ts';
import { checkColumns } from './check-columns.ts';
import { checkText } from './check-text.ts';
import { parseMessages } from './parse-messages.ts';
import { parseTools } from './parse-tools.ts';
import type { RawRow } from './raw-row.ts';
import type { ChatMessage, PreferenceRow } from './row.ts';
import { splitPrompt } from './split-prompt.ts';
import { formatValue } from '../lib/text.ts';
import { isObject } from '../lib/json.ts';

export interface PreferenceColumns {
  /** Absent: a column `prompt` where the row has one, else what both ends begin with. */
  readonly prompt?: string | undefined;
  readonly chosen: string;
  readonly rejected: string;
}

/**
 * The conversation of a row with its two ends. Texts become one user message (the prompt) and one assistant message; lists of
 * messages stay as they are, and may both begin with the prompt (TRL's "implicit prompt"). Lines in OpenAI's own format
 * (`input`, `preferred_output`, `non_preferred_output`) are read where the columns have their default names.
 * @param path names the file in errors.
 * @throws Failure `data-invalid` as `parseMessages` and `parseTools`, for a prompt that cannot be told, and for ends that are
 *   equal, or do not begin and end with an assistant message.
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
    throw new Failure('data-invalid', `${place}: expected a column "prompt", or columns ${shown} that begin with it, found neither`, {
      hint: 'The job file names the columns in data.columns.',
    });
  }
  checkEnds(ends, place, [columns.chosen, columns.rejected]);
  return { ...ends, ...parseTools(row, place) };
}

/** A text, or a list of messages. */
function parseTurns(row: RawRow['row'], column: string, place: string): string | readonly ChatMessage[] {
  const value = row[column];
  if (typeof value === 'string') return checkText(value, column, place);
  if (Array.isArray(value)) return parseMessages(value, `${place}: ${column}`);
  throw new Failure(
    'data-invalid',
    `${place}: expected a string or a list of messages in column ${formatValue(column)}, found ${formatValue(value)}`,
  );
}

function toAnswer(turns: string | readonly ChatMessage[]): readonly ChatMessage[] {
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
  if (!isObject(input)) throw new Failure('data-invalid', `${place}: expected an object in column "input", found ${formatValue(input)}`);
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
    throw new Failure('data-invalid', message);
  }
  if (!isDeepStrictEqual(chosen, rejected)) return;
  throw new Failure(
    'data-invalid',
    `${place}: expected a better and a worse answer, found the same in ${columns.map(formatValue).join(' and ')}`,
  );
}

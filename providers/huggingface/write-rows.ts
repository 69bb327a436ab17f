import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ChatMessage, Row, ToolFields } from '../../src/dataset/row.ts';
import { toFileFailure } from '../../src/errors.ts';
import type { RowsPlan } from './request.ts';

/** What a written file is: its hash, and its hash as git has it. */
export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
  readonly rows: number;
  readonly sha256: string;
}

const flushedCharacters = 65_536;

/**
 * Writes rows as the engine reads them, a line of JSON each. The same rows give the same bytes.
 * @throws Failure `disk-full`, `permission-denied`, and what reading the rows throws
 */
export async function writeRows(path: string, rows: AsyncIterable<Row>, plan: RowsPlan): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let count = 0;
  await using file = await open(path, 'w', 0o600).catch((error: unknown) => {
    throw toFileFailure(error, 'rows of the run', path);
  });
  const write = async (text: string): Promise<void> => {
    hash.update(text);
    bytes += Buffer.byteLength(text);
    await file.writeFile(text).catch((error: unknown) => {
      throw toFileFailure(error, 'rows of the run', path);
    });
  };
  let lines = '';
  for await (const row of rows) {
    lines += `${JSON.stringify(toLine(row, plan))}\n`;
    count += 1;
    if (lines.length > flushedCharacters) {
      await write(lines);
      lines = '';
    }
  }
  await write(lines);
  return { path, bytes, rows: count, sha256: hash.digest('hex') };
}

/** Every line of a file has the same fields: the libraries take the columns from the first ones. */
function toLine(row: Row, { format, prompt, labels, isPair }: RowsPlan): object {
  if ('chosen' in row) {
    if (format !== 'conversations') return { prompt: row.prompt, chosen: row.chosen, rejected: row.rejected, ...toTools(row) };
    return { prompt: toText(row.prompt), chosen: [...row.prompt, ...row.chosen], rejected: [...row.prompt, ...row.rejected] };
  }
  if ('label' in row && format === 'labels') {
    return { text: row.text, ...(isPair ? { text2: row.text2 ?? '' } : {}), label: row.label };
  }
  const messages = 'label' in row ? buildTrainingMessages(row, prompt, labels) : row.messages;
  const tools = 'label' in row ? {} : toTools(row);
  if (format === 'messages') return { messages, ...tools };
  const answer = messages.findLastIndex(({ role }) => role === 'assistant');
  return { prompt: messages.slice(0, answer), completion: messages.slice(answer, answer + 1), ...tools };
}

/** As text: functions differ from row to row, and a column of objects has one type. */
function toTools({ tools }: ToolFields): object {
  return tools === undefined ? {} : { tools: JSON.stringify(tools) };
}

/** AutoTrain wants the column, and takes the prompt from the conversations. */
function toText(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => (typeof content === 'string' ? content : '')).join('\n');
}

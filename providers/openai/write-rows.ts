import { open } from 'node:fs/promises';
import { buildTrainingMessages } from '../../src/dataset/chat.ts';
import type { ClassificationRow, Row, ToolFields } from '../../src/dataset/row.ts';
import { toFileFailure } from '../../src/errors.ts';
import type { RowsPlan } from './request.ts';

const flushedCharacters = 65_536;

/**
 * Writes rows as the service reads them, a line of JSON each. The same rows give the same bytes.
 * @throws Failure `disk-full`, `permission-denied`, and what reading the rows throws
 */
export async function writeRows(path: string, rows: AsyncIterable<Row>, plan: RowsPlan): Promise<void> {
  await using file = await open(path, 'w', 0o600).catch((error: unknown) => {
    throw toFileFailure(error, 'rows of the run', path);
  });
  const write = async (text: string): Promise<void> =>
    await file.writeFile(text).catch((error: unknown) => {
      throw toFileFailure(error, 'rows of the run', path);
    });
  let lines = '';
  for await (const row of rows) {
    lines += `${JSON.stringify(toLine(row, plan))}\n`;
    if (lines.length > flushedCharacters) {
      await write(lines);
      lines = '';
    }
  }
  await write(lines);
}

/** Only what the service knows: a row may come with the place where it stands in the data. */
function toLine(row: Row, { prompt, labels }: RowsPlan): object {
  if ('messages' in row) return { messages: row.messages, ...toTools(row) };
  if ('chosen' in row) {
    return { input: { messages: row.prompt, ...toTools(row) }, preferred_output: row.chosen, non_preferred_output: row.rejected };
  }
  return { messages: buildTrainingMessages(row satisfies ClassificationRow, prompt, labels) };
}

function toTools({ tools, parallel_tool_calls }: ToolFields): ToolFields {
  return { ...(tools === undefined ? {} : { tools }), ...(parallel_tool_calls === undefined ? {} : { parallel_tool_calls }) };
}

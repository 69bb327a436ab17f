/** What single rows have that does not make them unusable, but that a person should know: counted by code, with the first lines. */
import type { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure, type FindingCode } from './findings.ts';
import type { Place } from './row-events.ts';
import type { ChatMessage, LocatedRow, Row } from './row.ts';
import { countPersonalData, findSecret } from './secrets.ts';

export type MarkCode = Extract<FindingCode, 'secret-allowed' | 'personal-email' | 'personal-phone' | 'tools-unanswered' | 'chat-empty'>;

/** Rows with one mark. */
export interface Mark<Code extends string = MarkCode> {
  readonly code: Code;
  readonly rows: number;
  /** Of the first of them. */
  readonly places: readonly Place[];
}

export interface RowMarks<Code extends string = MarkCode> {
  add(code: Code, row: Place): void;
  list(): readonly Mark<Code>[];
}

const shownPlaces = 4;

export function createRowMarks<Code extends string>(): RowMarks<Code> {
  const marks = new Map<Code, { rows: number; readonly places: Place[] }>();
  return {
    add(code, { source, line }) {
      const mark = marks.get(code);
      if (mark === undefined) marks.set(code, { rows: 1, places: [{ source, line }] });
      else if (++mark.rows <= shownPlaces) mark.places.push({ source, line });
    },
    list: () => [...marks].map(([code, { rows, places }]) => ({ code, rows, places })),
  };
}

/** Marks a row with everything that it has. */
export function markRow(row: LocatedRow, marks: RowMarks): void {
  const { emails, phones } = countInRow(row);
  if (emails) marks.add('personal-email', row);
  if (phones) marks.add('personal-phone', row);
  if ('text' in row) return;
  const messages = 'messages' in row ? row.messages : row.prompt;
  if (messages.some(({ role, content }) => role === 'user' && typeof content === 'string' && !/\S/.test(content)))
    marks.add('chat-empty', row);
  if (hasUnanswered(messages)) marks.add('tools-unanswered', row);
}

function countInRow(row: Row): { readonly emails: boolean; readonly phones: boolean } {
  let emails = false;
  let phones = false;
  visitTexts(row, (text) => {
    const found = countPersonalData(text);
    emails ||= found.emails > 0;
    phones ||= found.phones > 0;
    return false;
  });
  return { emails, phones };
}

/** The refusal of a row that holds a key or a secret; null: it holds none. The message has no more of it than its kind. */
export function findRowSecret(row: LocatedRow): Failure | null {
  let failure: Failure | null = null;
  visitTexts(row, (text, where) => {
    const secret = findSecret(text);
    if (secret === null) return false;
    const { kind, begin, length } = secret;
    const found = `found ${length} characters${begin === '' ? '' : ` that begin with ${formatValue(begin)}`} in ${where}`;
    failure = createDataFailure(
      'secret',
      `${row.source}:${row.line}: expected no secrets, which a model learns and tells: ${kind}, ${found}`,
      {
        hint: 'Remove it from the rows, and replace it where it is used. If it is none: --allow-secrets, or data.allowSecrets in the job file.',
      },
    );
    return true;
  });
  return failure;
}

/** Gives each text of a row to `visit` until that returns true. Images and sounds are not texts. */
function visitTexts(row: Row, visit: (text: string, where: string) => boolean): void {
  if ('text' in row) {
    if (visit(row.text, 'the text') || (row.text2 !== undefined && visit(row.text2, 'the second text'))) return;
    if ('label' in row) visit(row.label, 'the label');
    return;
  }
  const lists = 'messages' in row ? { messages: row.messages } : { prompt: row.prompt, chosen: row.chosen, rejected: row.rejected };
  for (const [name, messages] of Object.entries(lists)) {
    for (let i = 0; i < messages.length; i++) if (visitMessage(messages[i]!, (text) => visit(text, `${name}[${i}]`))) return;
  }
  if (row.tools !== undefined) visit(JSON.stringify(row.tools), 'tools');
}

function visitMessage({ content, tool_calls: calls }: ChatMessage, visit: (text: string) => boolean): boolean {
  if (typeof content === 'string') {
    if (visit(content)) return true;
  } else if (Array.isArray(content)) {
    for (const { text, refusal } of content as { text?: unknown; refusal?: unknown }[]) {
      if (typeof text === 'string' && visit(text)) return true;
      if (typeof refusal === 'string' && visit(refusal)) return true;
    }
  }
  if (!Array.isArray(calls)) return false;
  return (calls as { function: { arguments: unknown } }[]).some(({ function: called }) => {
    return visit(typeof called.arguments === 'string' ? called.arguments : JSON.stringify(called.arguments));
  });
}

/** Whether a conversation goes on before its calls of tools have their answers. */
function hasUnanswered(messages: readonly ChatMessage[]): boolean {
  let open = 0;
  for (const { role, tool_calls: calls } of messages) {
    if (role === 'tool') open--;
    else if (open > 0) return true;
    else open = Array.isArray(calls) ? calls.length : 0;
  }
  return false;
}

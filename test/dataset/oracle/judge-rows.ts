/** The rules for rows, written from docs/data.md: plain, and without code of src. */
import type { Columns, RowTask } from '../../../src/dataset/row.ts';
import { checkText, RowFault, toChat, toPreference, type RowReading } from './judge-chat.ts';
import { readFile, WholeFileFault, type FileContent } from './read-file.ts';

/** What becomes of a file: its rows, and the lines that hold none; or a fault of the whole file. */
export type Verdict =
  | { readonly rows: readonly { readonly line: number; readonly row: object }[]; readonly refused: readonly number[] }
  | { readonly fault: number };

const required: Readonly<Record<RowTask, readonly string[]>> = {
  classification: ['text', 'label'],
  'multi-label': ['text', 'labels'],
  regression: ['text', 'label'],
  chat: ['messages'],
  preference: ['chosen', 'rejected'],
};

export function judge(
  name: string,
  content: Uint8Array,
  { task, columns }: { readonly task: RowTask; readonly columns: Columns },
): Verdict {
  const named: Record<string, string> = { ...Object.fromEntries(required[task].map((ours) => [ours, ours])), ...columns };
  try {
    return judgeRows(readFile(name, content, Object.values(named)), task, named);
  } catch (error) {
    if (error instanceof WholeFileFault) return { fault: error.line };
    throw error;
  }
}

function judgeRows({ entries, isTable }: FileContent, task: RowTask, named: Columns): Verdict {
  const rows: { line: number; row: object }[] = [];
  const refused: number[] = [];
  const first = entries.find((entry) => 'row' in entry);
  const found = first === undefined ? named : findColumns(named, first.row, isTable);
  const memory = { form: null, sign: null };
  for (const entry of entries) {
    try {
      if ('problem' in entry) throw new RowFault(entry.problem);
      rows.push({ line: entry.line, row: toRow(entry.row, task, { columns: found, memory }) });
    } catch (error) {
      if (!(error instanceof RowFault)) throw error;
      refused.push(entry.line);
    }
  }
  return { rows, refused };
}

/** A column may be written with other capitals or white space; a table without it cannot be read at all. */
function findColumns(named: Columns, row: object, isTable: boolean): Columns {
  const plain = (name: string): string => name.normalize('NFKC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
  const names = Object.keys(row);
  const found = Object.entries(named).map(([ours, wanted]): [string, string] => {
    const alike = names.filter((name) => plain(name) === plain(wanted));
    return [ours, names.includes(wanted) || alike.length !== 1 ? wanted : alike[0]!];
  });
  const missing = found.filter(([, name]) => !names.includes(name));
  const isRowLike = (name: string): boolean =>
    name.length > 40 || name.trim().split(/\s+/).length > 3 || /^\s*-?\d+([.,]\d+)?\s*$/.test(name);
  if (isTable && missing.length === found.length && names.some(isRowLike)) throw new WholeFileFault(1, 'no header');
  if (isTable && missing.length > 0) throw new WholeFileFault(0, 'a column that is not there');
  return Object.fromEntries(found);
}

function toRow(row: Readonly<Record<string, unknown>>, task: RowTask, reading: RowReading): object {
  if (task === 'chat') return toChat(row, reading);
  if (task === 'preference') return toPreference(row, reading.columns);
  const { text, text2 } = reading.columns;
  const label = reading.columns[task === 'multi-label' ? 'labels' : 'label'];
  for (const column of [text!, label!, ...(text2 === undefined ? [] : [text2])]) {
    if (!Object.keys(row).includes(column)) throw new RowFault(`no column ${column}`);
  }
  const second = text2 === undefined ? null : row[text2];
  const texts = {
    text: checkText(row[text!]),
    ...(second === null || second === '' ? {} : { text2: checkText(second) }),
  };
  if (task === 'multi-label') return { ...texts, labels: toLabels(row[label!], reading.memory) };
  const name = checkLabel(row[label!]);
  if (task === 'classification') return { ...texts, label: name };
  if (!/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(name) || !isFinite(Number(name))) throw new RowFault('no number');
  return { ...texts, value: Number(name) };
}

/** A list, a text that holds one as JSON or Python write it, or labels with one sign between them in the whole file. */
function toLabels(value: unknown, memory: RowReading['memory']): string[] {
  const found = Array.isArray(value) ? (value as unknown[]) : splitLabels(value, memory);
  const labels = found.map(checkLabel);
  return labels.filter((label, i) => labels.indexOf(label) === i).sort();
}

const signs = ['|', ';', ','];

function splitLabels(value: unknown, memory: RowReading['memory']): unknown[] {
  if (typeof value !== 'string') throw new RowFault('no labels');
  const text = value.trim();
  if (text === '') return [];
  if (text.startsWith('[') && text.endsWith(']')) return toList(text);
  const sign = signs.find((one) => text.includes(one));
  memory.sign ??= sign ?? null;
  if (sign === undefined) return [text];
  if (signs.indexOf(sign) < signs.indexOf(memory.sign!)) throw new RowFault('another sign between labels');
  const parts = text.split(memory.sign!).map((part) => part.trim());
  return parts.filter((part) => part !== '');
}

/** Python's strings stand in one or two marks; a backslash stands before marks and backslashes. */
function toList(text: string): unknown[] {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    const items: string[] = [];
    let rest = text.slice(1, -1).trim();
    while (rest !== '') {
      const mark = rest[0]!;
      if (mark !== "'" && mark !== '"') throw new RowFault('no list');
      let item = '';
      let at = 1;
      for (; rest[at] !== mark; at++) {
        if (at >= rest.length) throw new RowFault('no list');
        if (rest[at] === '\\' && `'"\\`.includes(rest[at + 1]!)) at++;
        item += rest[at]!;
      }
      items.push(item);
      rest = rest.slice(at + 1).trim();
      if (rest !== '' && rest[0] !== ',') throw new RowFault('no list');
      rest = rest.slice(1).trim();
    }
    return items;
  }
}

function checkLabel(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'number') return checkText(value);
  if (!isFinite(value) || (Math.floor(value) === value && Math.abs(value) >= 2 ** 53)) throw new RowFault('a number that is not exact');
  return JSON.stringify(value);
}

/** Files that other programs, transfers and editors leave: each is read and noted, or refused with line, cause and way out. */
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { ReadNote } from '../../src/dataset/findings.ts';
import { readRows } from '../../src/dataset/read-rows.ts';
import { createDataFolder } from './data-folder.ts';

const two = '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n';

async function read(name: string, content: string | Buffer): Promise<{ rows: unknown[]; notes: string[] }> {
  const notes: ReadNote[] = [];
  const rows = await Array.fromAsync(readRows(createDataFolder()(name, content), { onNote: (note) => notes.push(note) }));
  return { rows: rows.map(({ row }) => row), notes: notes.map(({ code }) => code) };
}

test.each<[what: string, name: string, content: string | Buffer, notes: readonly string[]]>([
  ['a download that was unpacked on its way', 'a.jsonl.gz', two, ['gzip-name']],
  ['a packed file of another name', 'a.jsonl', gzipSync(two), ['gzip-name']],
  ['lines that end in CR CR LF, as Python writes them for Windows', 'a.csv', 'text,label\r\r\na,x\r\r\nb,y\r\r\n', []],
  ['lines of JSON that end in CR CR LF', 'a.jsonl', two.replaceAll('\n', '\r\r\n'), []],
  ['objects over lines without a line end at the end', 'a.jsonl', '{\n"text":"a","label":"x"}{"text":"b","label":"y"}', ['json-spread']],
  ['a comma after the last item of a list', 'a.json', '[{"text":"a","label":"x"},\n{"text":"b","label":"y"},\n]\n', ['json-list']],
  ['files joined with their byte order marks', 'a.jsonl', two.replace('\n', '\n\ufeff'), ['mark-inside']],
])('%s: read', async (_, name, content, notes) => {
  expect(await read(name, content)).toEqual({
    rows: [
      { text: 'a', label: 'x' },
      { text: 'b', label: 'y' },
    ],
    notes,
  });
});

test.each<[what: string, name: string, content: string | Buffer, message: string, hint: string]>([
  [
    'objects without a line end between them',
    'a.jsonl',
    two.replace('\n', ''),
    ':1:25: not valid JSON: found two objects on one line',
    'line end',
  ],
  ['text after a row', 'a.jsonl', `${two}{"a":1} 2\n`, ':3:9: not valid JSON: found text after the object', 'nothing else'],
  ['a comment', 'a.jsonl', `// rows\n${two}`, ':1: not valid JSON: expected an object, found a comment', 'Remove it'],
  ['undefined', 'a.jsonl', `${two}{"text": undefined}\n`, ':3: not valid JSON: expected an object, found undefined', 'JSON.stringify'],
  ['a tab inside a text', 'a.jsonl', '{"text":"a\tb"}\n', ':1:11: not valid JSON: found a control character inside a text', '\\t'],
  ['a lone backslash', 'a.jsonl', '{"text":"C:\\data"}\n', ':1:13: not valid JSON: found a backslash', 'Write a backslash itself as \\\\'],
  ['a cut text', 'a.jsonl', `${two}{"text":"a`, ':3:11: not valid JSON: found a text without its closing quote', 'cut short'],
  ['a quote inside a text', 'a.jsonl', '{"text":"a "b" c"}\n', ':1:13: not valid JSON: found a value without a comma', 'needs a backslash'],
  ['a number without its zero', 'a.jsonl', '{"text":"a","n":01}\n', ':1:18: not valid JSON: found a number in another form', '0.5'],
  ['names without quotes', 'a.jsonl', '{text: "a"}\n', ':1:2: not valid JSON: found no name in double quotes', '{"name"'],
  ['YAML', 'a.jsonl', '- text: a\n', ':1:2: not valid JSON: found no object', 'Each line is an object'],
  ['a table', 'a.jsonl', 'text,label\na,x\n', ':1: not valid JSON: found no object', '.csv or .tsv'],
  ['lists on lines', 'a.jsonl', '["a","x"]\n["b","y"]\n', ':1: expected a JSON object on each line, found a list', 'names for its values'],
  ['texts on lines', 'a.jsonl', '"a"\n"b"\n', ':1: expected a JSON object on each line, found "a"', 'names for its values'],
  ['a character of code 0', 'a.csv', 'text,label\na,x\nb\0,y\n', ':3: expected text, found a character of code 0', 'tr -d'],
  ['line ends of two kinds', 'a.csv', 'text,label\ra,x\rb,y\nc,x\n', ':1: expected the names of the columns', 'CR alone'],
  ['quotes with backslashes', 'a.csv', 'text,label\n"a \\"b\\" c",x\n', ':2: expected a row, found text after', 'as databases write them'],
  ['XML', 'a.jsonl', '<?xml version="1.0"?>\n<rows/>', ': expected rows, found an XML document', 'JSON Lines'],
  ['a workbook by its name', 'a.xlsx', 'PK', '.xlsx', 'save the sheet as CSV'],
  ['a packed file by its name', 'a.jsonl.zst', '', '.zst', 'Unpack it first'],
])('%s: refused with the cause and a way out', async (_, name, content, message, hint) => {
  const error: unknown = await read(name, content).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: expect.stringContaining(message), hint: expect.stringContaining(hint) });
});

test('a table of thousands of columns is named by the first of them', async () => {
  const names = Array.from({ length: 5000 }, (_, i) => `c${i}`);
  const error: unknown = await read('a.csv', `${names.join(',')}\n${'1,'.repeat(4997)}1\n`).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: expect.stringMatching(/expected 5000 fields \(c0, .*, c19, …\), found 4998$/) });
});

test('a row of megabytes with escapes everywhere is read', async () => {
  const text = '\\n"'.repeat(1_500_000);
  const { rows } = await read('a.jsonl', `${JSON.stringify({ text, label: 'x' })}\n${two}`);
  expect(rows).toHaveLength(3);
  expect((rows[0] as { text: string }).text.length).toBe(text.length);
});

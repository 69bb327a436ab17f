/** Valid data files of every task and format, and files with one fault. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Columns, RowTask } from '../../../src/dataset/row.ts';
import { damageRow, damageText, type RowDamage, type TextDamage } from './damage.ts';

export type Fields = Record<string, unknown>;

export interface MadeFile {
  readonly name: string;
  readonly content: Buffer;
  readonly task: RowTask;
  readonly columns: Columns;
  /** What was done to it, for messages. */
  readonly damage: string;
}

export type Layout = 'lines' | 'list' | 'spread list' | 'spread' | 'csv' | 'tsv' | 'semicolons' | 'bars';

const words = fc.constantFrom(
  'a',
  'mug',
  'Straße',
  '日本',
  '😀',
  '"quoted"',
  "it's",
  'a, b',
  'x;y',
  'tab\there',
  'two\nlines',
  '\\',
  '{"a": 1}',
  '[',
  'None',
  '\u2028',
  '  ',
  '',
);
const text = fc.array(words, { minLength: 1, maxLength: 4 }).map((list) => `t${list.join(' ')}`);
/** What a table without quoting can hold. */
const plainText = text.map((one) => one.replaceAll(/[\t\r\n"|;,]/g, '_'));

const answers = fc.oneof(
  { weight: 4, arbitrary: text.map((content): Fields => ({ role: 'assistant', content })) },
  { weight: 1, arbitrary: text.map((content): Fields => ({ role: 'assistant', content: [{ type: 'text', text: content }] })) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1).map((weight): Fields => ({ role: 'assistant', content: 'so', weight })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>('{"a":1}', { a: 1 }).map((given): Fields => ({
      role: 'assistant',
      content: null,
      tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: given } }],
    })),
  },
);
const asked = fc.oneof(
  text.map((content): Fields => ({ role: 'user', content })),
  fc.constant<Fields>({
    role: 'user',
    content: [
      { type: 'text', text: 'what?' },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
    ],
  }),
);
const turns = fc.array(fc.tuple(asked, answers), { minLength: 1, maxLength: 3 }).map((pairs) => pairs.flat());
const last = text.map((content): Fields => ({ role: 'assistant', content }));
const messages = fc
  .tuple(
    fc.constantFrom<Fields[]>([], [{ role: 'system', content: '' }], [{ role: 'developer', content: 'Be brief.' }]),
    turns,
    asked,
    last,
  )
  .map(([head, middle, question, answer]) => [...head, ...middle, question, answer]);
const tools = fc.constantFrom<Fields>(
  {},
  { tools: null },
  { tools: [{ type: 'function', function: { name: 'f', parameters: {} } }] },
  { parallel_tool_calls: true },
);

const chats: readonly fc.Arbitrary<Fields>[] = [
  fc.tuple(messages, tools).map(([list, rest]) => ({ messages: list, ...rest })),
  fc.tuple(text, text).map(([a, b]) => ({
    conversations: [
      { from: 'human', value: a },
      { from: 'gpt', value: b },
    ],
    system: 'x',
  })),
  fc.tuple(text, fc.constantFrom('', 'more'), text).map(([instruction, input, output]) => ({ instruction, input, output })),
  fc.tuple(text, text).map(([prompt, completion]) => ({ prompt, completion })),
  fc.tuple(text, text).map(([content, given]) => ({
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: given } },
      { role: 'function', name: 'f', content: '1' },
      { role: 'assistant', content: 'x' },
    ],
    functions: [{ name: 'f' }],
  })),
];
const ends = fc.tuple(text, text).filter(([a, b]) => a !== b);
const pairs: readonly fc.Arbitrary<Fields>[] = [
  fc.tuple(text, ends).map(([prompt, [chosen, rejected]]) => ({ prompt, chosen, rejected })),
  fc.tuple(messages, asked, ends, fc.boolean()).map(([head, question, [a, b], isImplicit]) => {
    const prompt = [...head, question];
    const [chosen, rejected] = [[{ role: 'assistant', content: a }], [{ role: 'assistant', content: b }]];
    return isImplicit ? { chosen: [...prompt, ...chosen], rejected: [...prompt, ...rejected] } : { prompt, chosen, rejected };
  }),
  fc.tuple(asked, ends, tools).map(([question, [a, b], rest]) => ({
    input: { messages: [question], ...rest },
    preferred_output: [{ role: 'assistant', content: a }],
    non_preferred_output: [{ role: 'assistant', content: b }],
  })),
];
const labels = fc.constantFrom<unknown>('positive', 'negative', ' Positive', true, 1, -0, 2.5, 'ja, nein');
const numbers = fc.constantFrom<unknown>(1, 0.5, -3e2, '1.5', ' 7 ', '.5', '1e3');

const oneLabel = fc.constantFrom('a', 'b c', 'Straße', "it's", 'say "so"', 'back\\slash', '😀');
const manyLabels = fc.array(oneLabel, { maxLength: 4 });
const toPython = (list: readonly string[]): string =>
  `[${list.map((label) => (label.includes("'") ? `"${label.replaceAll(/["\\]/g, '\\$&')}"` : `'${label.replaceAll('\\', '\\\\')}'`)).join(', ')}]`;
/** Several labels in one text; those of a file have one sign between them, mostly. */
const labelTexts = (sign: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: manyLabels.map((list) => list.join(sign)) },
    { weight: 1, arbitrary: manyLabels.map((list) => JSON.stringify(list)) },
    { weight: 1, arbitrary: manyLabels.map(toPython) },
    { weight: 1, arbitrary: fc.constantFrom('a,b;c', ' a ', '|b|', ',', '[1, true]', '["a", "a"]', 'a ,, b') },
  );

/** Rows with any number of labels: lists, or texts. */
function createLabelRows(layout: Layout, one: fc.Arbitrary<string>, second: fc.Arbitrary<Fields>): fc.Arbitrary<Fields[]> {
  const lists = fc.array(fc.oneof(oneLabel, fc.constantFrom<unknown>(1, true, 2.5)), { maxLength: 3 });
  return fc.tuple(fc.constantFrom('|', ';', ',', ', '), fc.boolean()).chain(([sign, asText]) => {
    const isTable = delimiters[layout] !== undefined;
    // A table without quoting can hold no delimiter.
    const ofTexts = labelTexts(sign).map((all) => (layout === 'tsv' || layout === 'bars' ? all.replaceAll(/["|\t]/g, '_') : all));
    const values: fc.Arbitrary<unknown> = isTable || asText ? ofTexts : lists;
    const row = fc.tuple(one, second, values).map(([a, b, all]): Fields => ({ text: a, ...b, labels: all, other: 'x' }));
    return fc.array(row, { minLength: 1, maxLength: 8 });
  });
}

/** Rows of one form, by the task. */
function createRows(task: RowTask, layout: Layout, hasPairs: boolean): fc.Arbitrary<Fields[]> {
  const isTable = ['csv', 'tsv', 'semicolons', 'bars'].includes(layout);
  const one = layout === 'tsv' || layout === 'bars' ? plainText : text;
  const toColumn = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => (isTable ? values.map(String) : values);
  const label = task === 'regression' ? numbers : labels;
  const second = hasPairs
    ? fc.oneof(one, fc.constant(''), isTable ? one : fc.constant(null)).map((text2): Fields => ({ text2 }))
    : fc.constant<Fields>({});
  if (task === 'classification' || task === 'regression') {
    const row = fc.tuple(one, second, toColumn(label), one).map(([a, b, c, d]): Fields => ({ text: a, ...b, label: c, other: d }));
    return fc.array(row, { minLength: 1, maxLength: 8 });
  }
  if (task === 'multi-label') return createLabelRows(layout, one, second);
  const forms = task === 'chat' ? chats : pairs;
  return fc.oneof(...forms.map((form) => fc.array(form, { minLength: 1, maxLength: 5 })));
}

const delimiters: Readonly<Partial<Record<Layout, string>>> = { csv: ',', tsv: '\t', semicolons: ';', bars: '|' };

/** The text of each row, and what stands before, between and after them. */
function formatFile(rows: readonly Fields[], layout: Layout, damage: TextDamage | null): string {
  const delimiter = delimiters[layout];
  if (delimiter !== undefined) {
    const names = Object.keys(rows[0]!);
    const quote = (value: unknown): string => {
      const field = typeof value === 'string' ? value : '';
      return /["\r\n]/.test(field) || field.includes(delimiter) ? `"${field.replaceAll('"', '""')}"` : field;
    };
    const lines = [names, ...rows.map((row) => names.map((name) => row[name]))].map((fields) => fields.map(quote).join(delimiter));
    return damageText(lines, damage, delimiter)
      .map((line) => `${line}\n`)
      .join('');
  }
  const lines = rows.map((row) => JSON.stringify(row, null, layout.startsWith('spread') ? 1 : 0));
  const damaged = damageText(lines, damage, null);
  return layout.includes('list') ? `[${damaged.join(',\n')}]\n` : damaged.map((line) => `${line}\n`).join('');
}

const encodings = ['utf8', 'utf8', 'utf8', 'mark', 'utf16le', 'utf16be', 'gzip', 'crlf', 'cr', 'open'] as const;

function encode(plain: string, encoding: (typeof encodings)[number]): Buffer {
  if (encoding === 'utf16le') return Buffer.from(`\ufeff${plain}`, 'utf16le');
  if (encoding === 'utf16be') return Buffer.from(`\ufeff${plain}`, 'utf16le').swap16();
  if (encoding === 'mark') return Buffer.from(`\ufeff${plain}`);
  if (encoding === 'crlf') return Buffer.from(plain.replaceAll('\n', '\r\n'));
  if (encoding === 'cr') return Buffer.from(plain.replaceAll('\n', '\r'));
  if (encoding === 'open') return Buffer.from(plain.replace(/\n$/, ''));
  return encoding === 'gzip' ? gzipSync(plain) : Buffer.from(plain);
}

const names: Readonly<Partial<Record<Layout, readonly string[]>>> = {
  csv: ['a.csv'],
  tsv: ['a.tsv', 'a.csv'],
  semicolons: ['a.csv'],
  bars: ['a.csv', 'a.tsv'],
};

/** Files of this task and layout; every second one has a fault. */
function createFile(task: RowTask, layout: Layout): fc.Arbitrary<MadeFile> {
  const isFlat = task !== 'chat' && task !== 'preference';
  return fc
    .record({
      hasPairs: fc.boolean(),
      seed: fc.nat(),
      encoding: fc.constantFrom(...encodings),
      name: fc.constantFrom(...(names[layout] ?? ['a.jsonl', 'a.json'])),
    })
    .chain(({ hasPairs, seed, encoding, name }) => {
      const columns: Columns = isFlat && hasPairs ? { text2: 'text2' } : {};
      return createRows(task, layout, isFlat && hasPairs).map((rows): MadeFile => {
        const { row, text: ofText } = chooseDamage(seed, {
          task,
          isTable: delimiters[layout] !== undefined,
          isList: layout.includes('list') || layout === 'spread',
        });
        const damaged = row === null ? rows : damageRow(rows, row, seed >>> 8);
        const plain = formatFile(damaged, layout, ofText === null ? null : { kind: ofText, pick: seed >>> 8 });
        const content = ofText === 'other bytes' ? insertByte(Buffer.from(plain), seed >>> 8) : encode(plain, encoding);
        return {
          name: `${name}${encoding === 'gzip' && seed % 2 === 0 ? '.gz' : ''}`,
          content,
          task,
          columns,
          damage: row ?? ofText ?? 'none',
        };
      });
    });
}

function insertByte(bytes: Buffer, pick: number): Buffer {
  const at = Math.min(bytes.length - 1, 3 + (pick % bytes.length));
  return Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at)]);
}

interface DamageChoice {
  readonly task: RowTask;
  readonly isTable: boolean;
  readonly isList: boolean;
}

function chooseDamage(seed: number, { task, isTable, isList }: DamageChoice): { row: RowDamage | null; text: TextDamage['kind'] | null } {
  if (seed % 2 === 0) return { row: null, text: null };
  const ofRows = rowDamages[task].filter((one) => !isTable || tableRowDamages.includes(one));
  const ofText = isTable ? tableDamages : isList ? itemDamages : lineDamages;
  const all = ofRows.length + ofText.length;
  const at = (seed >>> 1) % all;
  return at < ofRows.length ? { row: ofRows[at]!, text: null } : { row: null, text: ofText[at - ofRows.length]! };
}

const flat = [
  'column missing',
  'column null',
  'text blank',
  'text a number',
  'half a pair',
  'label inexact',
  'label a list',
  'label blank',
  'label infinite',
] as const;
const chat = [
  'role unknown',
  'last of user',
  'answer empty',
  'weight 2',
  'weights 0',
  'part unknown',
  'image of assistant',
  'calls of user',
  'arguments a number',
  'tools an object',
  'messages empty',
  'messages a text',
  'too deep',
  'half a pair',
  'answer alone',
  'infinite',
  'other form',
] as const;
const pair = [
  'same answers',
  'end of user',
  'prompt missing',
  'column missing',
  'role unknown',
  'too deep',
  'half a pair',
  'chosen a number',
] as const;
const rowDamages: Readonly<Record<RowTask, readonly RowDamage[]>> = {
  classification: flat,
  'multi-label': [
    'column missing',
    'column null',
    'text blank',
    'text a number',
    'half a pair',
    'labels a number',
    'labels blank inside',
    'labels no list',
    'labels with another sign',
  ],
  regression: [...flat, 'label a word'],
  chat,
  preference: pair,
};
const tableRowDamages: readonly RowDamage[] = ['text blank', 'label blank', 'label a word', 'labels no list', 'labels with another sign'];
const lineDamages = [
  'cut',
  'more text',
  'comma inside',
  'Python',
  'NaN',
  'key twice',
  'key twice, spaced',
  'no object',
  'joined',
  'control character',
  'other bytes',
  'comma after',
  'mark inside',
  'blank lines',
  'bad escape',
  'bad number',
] as const;
const itemDamages = [
  'comma inside',
  'Python',
  'NaN',
  'key twice',
  'no object',
  'bad escape',
  'cut at the end',
  'more after the end',
  'other bytes',
  'blank lines',
] as const;
const tableDamages = [
  'field more',
  'field less',
  'quote inside',
  'text after quote',
  'open quote',
  'header again',
  'header missing',
  'column away',
  'empty rows',
  'column twice',
  'blank lines',
  'other bytes',
  'header in capitals',
  'cut',
  'mark inside',
] as const;

const layouts: readonly Layout[] = ['lines', 'lines', 'list', 'spread list', 'spread'];
const tables: readonly Layout[] = ['csv', 'tsv', 'semicolons', 'bars'];
const kinds = (['classification', 'multi-label', 'regression', 'chat', 'preference'] as const).flatMap((task) => {
  const isFlat = task !== 'chat' && task !== 'preference';
  return [...layouts, ...(isFlat ? tables : [])].map((layout) => createFile(task, layout));
});

export const files: fc.Arbitrary<MadeFile> = fc.oneof(...kinds);

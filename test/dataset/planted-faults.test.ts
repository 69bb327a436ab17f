import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDataset, type DataReport, type RowFinding } from '../../src/dataset/check.ts';
import type { Service } from '../../src/dataset/service-rules.ts';
import { createScratchFolder } from '../scratch.ts';

/** Rows that are right, so that the planted ones are all that is found; `at` makes each another one. */
const nouns =
  'river engine letter garden window market bridge candle ladder mirror planet forest button camera helmet island jacket kettle'.split(' ');
const verbs = 'carries follows repairs borrows paints delivers measures forgets polishes collects'.split(' ');

function toSentence(at: number): string {
  const pick = (words: readonly string[], by: number): string => words[Math.floor(at / by) % words.length]!;
  return `${pick(nouns, 1)} ${pick(verbs, 3)} ${pick(nouns, 7)} ${pick(verbs, 11)} ${at * 7919} ${pick(nouns, 13)}`;
}

interface Found {
  readonly report: DataReport;
  /** `code line` of each row and of each other finding. */
  readonly found: readonly string[];
}

async function check(lines: readonly string[], test: readonly string[], services: readonly Service[] = []): Promise<Found> {
  const folder = createScratchFolder();
  const [train, held] = ['train.jsonl', 'test.jsonl'].map((name) => join(folder, name));
  writeFileSync(train!, lines.map((line) => `${line}\n`).join(''));
  writeFileSync(held!, test.map((line) => `${line}\n`).join(''));
  const rows: RowFinding[] = [];
  const sources = { train: [train!], validation: null, test: test.length === 0 ? {} : { test: [held!] }, columns: {} };
  const report = await checkDataset({ ...sources, services, onRow: (finding) => rows.push(finding) });
  const others = report.findings.filter(({ severity, rows: count }) => severity !== 'error' || count === null || rows.length === 0);
  const ofRows = rows.map(({ code, source, line }) => `${code} ${source === held ? 'test ' : ''}${line}`);
  return {
    report,
    found: [...ofRows, ...others.flatMap(({ code, lines: at }) => (at.length === 0 ? [code] : at.map((line) => `${code} ${line}`)))].sort(),
  };
}

/** Puts the planted lines between right ones, and says on which line each is. */
function plant(
  faults: readonly (readonly [code: string | null, line: string])[],
  toRight: (at: number) => string,
): { lines: string[]; expected: string[] } {
  const lines: string[] = [];
  const expected: string[] = [];
  for (const [i, [code, line]] of faults.entries()) {
    lines.push(toRight(2 * i), toRight(2 * i + 1), line);
    if (code !== null) expected.push(`${code} ${lines.length}`);
  }
  return { lines, expected: expected.sort() };
}

const drawn = 'Zq7Lm2Xv9Rt4Ks8Wp3Yn6Bc5Hd1Jf0GgTaUeViQo';
const letters = (i: number): string => (i % 2 === 0 ? 'a' : 'b');

test('a file of a classification with planted faults has exactly those, each on its line', async () => {
  const toRight = (at: number): string => JSON.stringify({ text: toSentence(at), label: letters(at) });
  const row = (text: unknown, label: unknown = 'a'): string => JSON.stringify({ text, label });
  const { lines, expected } = plant(
    [
      ['json-invalid', '{"text": "cut short", "lab'],
      ['json-python', "{'text': 'of python', 'label': None}"],
      ['json-number', '{"text": "not a number", "label": NaN}'],
      ['json-other', '["a list", "b"]'],
      ['key-twice', '{"text": "one", "text": "two", "label": "a"}'],
      ['column-missing', '{"txt": "no text", "label": "a"}'],
      ['value-kind', row(12)],
      ['value-blank', row('  ')],
      ['value-blank', row('no label', '')],
      ['value-text', '{"text": "half \\ud800", "label": "a"}'],
      ['value-kind', '{"text": "no label that counts", "label": {"a": 1}}'],
      ['value-kind', '{"text": "too large", "label": 12345678901234567890}'],
      ['secret', row(`the key ${['AKIA', 'ABCDEFGHIJKLMNOP'].join('')} is there`)],
      ['secret', row(`it is sk-proj-${drawn}`)],
      ['secret', row(`token hf_${drawn} of mine`)],
      ['secret', row(`password = "${drawn.slice(0, 24)}"`)],
      ['personal-email', row('please write to jane.doe@mail.com about it')],
      ['personal-phone', row('please call (212) 736-5000 about it')],
      ['rows-twice', toRight(3)],
      ['rows-contradict', JSON.stringify({ text: toSentence(4), label: 'b' })],
      ['rows-near', row(`A long review of the hotel near the harbour, whose rooms were clean and whose staff was kind, in March`)],
      [null, row('something that is not known', 'N/A')],
      [null, row('something else that is not known', 'A')],
    ],
    toRight,
  );
  lines.unshift(row('A long review of the hotel near the harbour, whose rooms were clean and whose staff was kind, in April'));
  const shifted = expected.map((one) => one.replace(/\d+$/, (line) => String(Number(line) + 1)));
  const firstA = 1;
  const missing = lines.length - 3;
  const capital = lines.length;
  const held = [
    toRight(0),
    row(`${toSentence(6).toUpperCase()}!`),
    row(toSentence(8).replaceAll(' ', '  ')),
    row('never seen before', 'c'),
  ];
  const { found } = await check(lines, held);
  expect(found).toEqual(
    [
      ...shifted,
      `labels-missing ${missing}`,
      `labels-alike ${capital}`,
      `labels-alike ${firstA}`,
      `labels-rare ${missing}`,
      `labels-rare ${capital}`,
      'rows-leaked 1',
      'rows-leaked-alike 2',
      'rows-leaked-alike 3',
      'label-unknown 4',
    ].sort(),
  );
});

test('a file of conversations with planted faults has exactly those, each on its line', async () => {
  const ask = (content: unknown): object => ({ role: 'user', content });
  const say = { role: 'assistant', content: 'so it is' };
  const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } };
  const calling = { role: 'assistant', content: null, tool_calls: [call] };
  const row = (...messages: unknown[]): string => JSON.stringify({ messages });
  const toRight = (at: number): string => row(ask(toSentence(at)), say);
  const image = { type: 'image_url', image_url: { url: 'https://a.b/c.png' } };
  const { lines, expected } = plant(
    [
      ['chat-messages', '{"messages": []}'],
      ['chat-messages', '{"messages": "none"}'],
      ['chat-role', row(ask('who'), { role: 'bot', content: 'me' })],
      ['chat-order', row(ask('and then'))],
      ['chat-order', row(say)],
      ['chat-weight', row(ask('how much'), { ...say, weight: 0.5 })],
      ['chat-answer', row(ask('nothing'), { role: 'assistant', content: '' })],
      ['chat-answer', row(ask('not learned'), { ...say, weight: 0 })],
      ['chat-content', row(ask([{ type: 'video', video: 'x' }]), say)],
      ['chat-content', row(ask('draw'), { role: 'assistant', content: [image] })],
      ['chat-tools', row(ask('call'), { ...calling, tool_calls: [{ id: 'x' }] }, say)],
      ['tools-unknown', row(ask('who called'), { role: 'tool', tool_call_id: 'c1', content: '7' }, say)],
      ['tools-unknown', row(ask('another one'), calling, { role: 'tool', tool_call_id: 'c2', content: '7' }, say)],
      ['tools-unanswered', row(ask('no answer'), calling, ask('well'), say)],
      ['shape-mixed', JSON.stringify({ prompt: 'of another form', completion: 'yes' })],
      ['secret', row(ask('look'), { ...say, content: `it is ghp_${drawn.slice(0, 36)}` })],
      [
        'secret',
        row(ask('call it'), { ...calling, tool_calls: [{ ...call, function: { name: 'f', arguments: `{"key": "xoxb-${drawn}"}` } }] }),
      ],
      ['personal-email', row(ask('mail me at a.b@mail.com'), say)],
      ['chat-empty', row(ask(' '), say)],
      ['rows-contradict', row(ask(toSentence(2)), { ...say, content: 'so it is not' })],
      ['target-images-many', row(ask([{ type: 'text', text: 'see these' }, ...Array.from({ length: 11 }, () => image)]), say)],
      ['target-arguments', row(ask('an object'), { ...calling, tool_calls: [{ ...call, function: { name: 'f', arguments: {} } }] })],
      ['target-tools', row(ask('no name'), calling, { role: 'tool', content: '7' }, say)],
    ],
    toRight,
  );
  const { found, report } = await check(lines, [], ['openai']);
  const ofService = report.findings
    .filter(({ code }) => code.startsWith('target-'))
    .flatMap(({ code, lines: at }) => at.map((line) => `${code} ${line}`));
  const many = expected.find((one) => one.startsWith('target-images-many'))!;
  expect([...new Set([...found, ...ofService])].sort()).toEqual([...expected, many.replace('-many', '')].sort());
});

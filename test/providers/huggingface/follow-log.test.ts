import fc from 'fast-check';
import { expect, test } from 'vitest';
import { followLog, toLastLines, toNewLines, type LogCursor, type LogLine } from '../../../providers/huggingface/follow-log.ts';
import { readFixture } from './read-fixture.ts';

interface Look {
  readonly lines: LogLine[];
  readonly notes: string[];
  readonly cursor: LogCursor;
}

/** One connection that sends this log up to a byte, in chunks of `size`. */
function look(cursor: LogCursor | null, log: Uint8Array, size = 7): Look {
  let state = followLog(cursor === null ? null : (JSON.parse(JSON.stringify(cursor)) as LogCursor));
  const lines: LogLine[] = [];
  const notes: string[] = [];
  const map = (read: ReturnType<typeof toNewLines>): void => {
    state = read.state;
    lines.push(...read.lines);
    notes.push(...read.notes.map((note) => (note.type === 'warning' ? note.message : note.type)));
  };
  for (let at = 0; at < log.length; at += size) map(toNewLines(state, log.subarray(at, at + size)));
  map(toLastLines(state));
  return { lines, notes, cursor: state.cursor };
}

function toLog(lines: readonly LogLine[], end = '\n'): Uint8Array {
  const events = lines.map(({ at, text }) => `data: ${JSON.stringify({ data: text, timestamp: at })}${end}${end}: keep-alive${end}${end}`);
  return new TextEncoder().encode(events.join(''));
}

const toLines = (texts: readonly string[]): LogLine[] => texts.map((text) => ({ at: '2026-11-23T00:22:06.000Z', text }));

test('a recorded log', () => {
  const { lines, notes } = look(null, new TextEncoder().encode(readFixture('job-log.sse')));
  expect(lines.map(({ text }) => text)).toEqual([
    '===== Job started at 2026-11-23 00:22:06 =====',
    'Installed 42 packages in 1.2s',
    "{'loss': '0.6931', 'grad_norm': '1.25', 'learning_rate': '5e-05', 'epoch': '0.5'}",
    "{'loss': '0.5123', 'grad_norm': '1.01', 'learning_rate': '2.5e-05', 'epoch': '1'}",
    '',
    'done ✓ naïve 🤗',
    '===== Job finished: status=COMPLETED =====',
  ]);
  expect(lines[1]?.at).toBe('2026-11-23T00:22:06.300Z');
  expect(notes).toEqual([]);
});

test('no line is lost and none is given twice, wherever connections are cut, equal lines too', () => {
  const text = fc.constantFrom('a', 'a', 'b', '', 'naïve 🤗', '\r 2%|█| 1/45', 'x\ny');
  const cut = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 30 }),
      fc.array(cut, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n'),
      fc.integer({ min: 1, max: 50 }),
      (texts, cuts, end, size) => {
        const lines = toLines(texts);
        const log = toLog(lines, end);
        const given: LogLine[] = [];
        let cursor: LogCursor | null = null;
        for (const share of [...cuts, 1, 1]) {
          const seen: Look = look(cursor, log.subarray(0, Math.floor(share * log.length)), size);
          expect(seen.notes).toEqual([]);
          given.push(...seen.lines);
          cursor = seen.cursor;
        }
        expect(given).toEqual(lines);
      },
    ),
  );
});

test('the cursor is small, however long the log is', () => {
  const { cursor } = look(null, toLog(toLines(Array.from({ length: 2000 }, (_, i) => `line ${i} ${'x'.repeat(100)}`))), 4096);
  expect(cursor.lines).toBe(2000);
  expect(JSON.stringify(cursor).length).toBeLessThan(500);
});

const log = toLines(Array.from({ length: 20 }, (_, i) => `line ${i}`));
const before = look(null, toLog(log)).cursor;

test('a log whose beginning is gone goes on after the last line that was read, and says so once', () => {
  const more = [...log, ...toLines(['new'])];
  const first = look(before, toLog(more.slice(5)));
  expect(first.lines.map(({ text }) => text)).toEqual(['new']);
  expect(first.notes).toEqual(['the beginning of the log of the job is gone; it goes on after the last line that was read']);
  const second = look(first.cursor, toLog([...more, ...toLines(['newer'])].slice(9)));
  expect(second.lines.map(({ text }) => text)).toEqual(['newer']);
  expect(second.notes).toEqual([]);
});

test.each([3, 20, 40])('another log of %i lines is given as a whole, with a note', (length) => {
  const other = toLines(Array.from({ length }, (_, i) => `other ${i}`));
  const seen = look(before, toLog(other));
  expect(seen.lines).toEqual(other);
  expect(seen.notes).toEqual(['the log of the job begins anew and lacks what was read before; all of its lines follow']);
  expect(look(seen.cursor, toLog([...other, ...toLines(['new'])])).lines.map(({ text }) => text)).toEqual(['new']);
});

test('a log that was changed in its middle goes on by number, with a note', () => {
  const changed = [...log.slice(0, 9), ...toLines(['changed']), ...log.slice(10), ...toLines(['new'])];
  const seen = look(before, toLog(changed));
  expect(seen.lines.map(({ text }) => text)).toEqual(['new']);
  expect(seen.notes).toHaveLength(1);
  expect(look(seen.cursor, toLog(changed))).toMatchObject({ lines: [], notes: [] });
});

test('a replay that ends early changes nothing', () => {
  const seen = look(before, toLog(log.slice(0, 9)));
  expect(seen).toEqual({ lines: [], notes: [], cursor: before });
});

test('data of another form: text is a line, what holds no line is none', () => {
  const stream = 'data: plain\n\ndata:\n\ndata: {"type": "job"}\n\ndata: null\n\ndata: {"data": 3}\n\ndata: {"data": "x"}\n\n';
  expect(look(null, new TextEncoder().encode(stream)).lines).toEqual([
    { at: null, text: 'plain' },
    { at: null, text: 'x' },
  ]);
});

test('any bytes give lines or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (chunk) => {
      expect(look(before, chunk).cursor.lines).toBeGreaterThan(0);
    }),
  );
});

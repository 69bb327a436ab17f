import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLogLine } from '../../../providers/huggingface/parse-log-line.ts';
import { anyText } from './any-text.ts';

const record = 'INFO     | 2026-11-23 00:36:04 | autotrain.trainers.common:on_log:367 - ';

test('a record of AutoTrain after bars, and its repetition after the bar was wiped out', () => {
  const dict = "{'loss': 0.687, 'epoch': 0.3333333333333333}";
  expect(parseLogLine(`\r  2%|▏| 1/45 [00:00<00:06,  7.03it/s]\r 11%|█| 5/45 [00:00<00:04,  9.98it/s]${record}${dict}`)).toEqual([
    { type: 'bar', step: 1, steps: 45, etaSeconds: 6 },
    { type: 'bar', step: 5, steps: 45, etaSeconds: 4 },
    {
      type: 'measures',
      isAutoTrains: true,
      entries: [
        { name: 'loss', value: 0.687, isQuoted: false },
        { name: 'epoch', value: 0.3333333333333333, isQuoted: false },
      ],
    },
  ]);
  expect(parseLogLine(`\r            \r\u001B[A{'loss': '0.687', 'epoch': '0.3'}`)).toMatchObject([
    { type: 'measures', isAutoTrains: false },
  ]);
});

test('a bar may begin where the cursor was moved up', () => {
  expect(parseLogLine('\u001B[A\u001B[A 40%|█| 2/5 [00:00<00:01,  7.03it/s]')).toEqual([{ type: 'bar', step: 2, steps: 5, etaSeconds: 1 }]);
});

test('the parameters that AutoTrain prints tell the epochs, not measures', () => {
  const line = "INFO | x | autotrain.parser:run:224 - {'data_path': 'd', 'lr': 0.0005, 'epochs': 3, 'batch_size': 16, 'token': '*****'}";
  expect(parseLogLine(line)).toEqual([{ type: 'epochs', epochs: 3 }]);
});

test.each([
  "a row: {'text': 'loss', 'label': 1}",
  "{'epoch': 1, 'rows': 3}",
  "{'loss': 1.2}",
  "{'loss': None, 'epoch': 1}",
  "{'epochs': 3}",
  "{'epochs': 0, 'batch_size': 2}",
  '{"loss": [1], "epoch": 1}',
])('%s is no measure', (line) => {
  expect(parseLogLine(line)).toEqual([]);
});

test('measures before the first step have no epoch', () => {
  expect(parseLogLine("{'eval_loss': 2.5, 'eval_runtime': 0.1}")).toHaveLength(1);
});

test('any text gives facts or nothing', () => {
  const piece = fc.constantFrom(
    "{'",
    '{"',
    "'",
    ': ',
    ', ',
    '}',
    '\\',
    '\r',
    '\u001B[A',
    '1',
    'nan',
    'epoch',
    'loss',
    '%|',
    '|',
    '1/2 [',
    '<',
    ']',
    'é',
    '\uD800',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        fc.array(piece).map((all) => all.join('')),
      ),
      (line) => {
        expect(Array.isArray(parseLogLine(line))).toBe(true);
      },
    ),
  );
});

// A reader that goes over a line again and again would not end before the test's time is up.
test.each(["{'", '{"\'', "{'a': 1, ", "{'\\'", '%|', '\r 1%|', '{', ' ', "{'a':'{\"", '1', '\r1%|| 1/1 [1<1, 1'])(
  'a megabyte of %j is read',
  (part) => {
    const line = part.repeat(Math.ceil(1e6 / part.length));
    expect(parseLogLine(line).every(({ type }) => type === 'bar')).toBe(true);
  },
);

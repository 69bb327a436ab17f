import { expect, test } from 'vitest';
import * as parse from '../../src/cli/options.ts';

type Parser = (text: string, previous: unknown) => unknown;

const seconds = parse.durationMs('--timeout');
const dollars = parse.usd('--max-usd');
const share = parse.number('--margin', Infinity, '0.02');

test.each<[string, Parser, string, unknown]>([
  ['dollars', dollars, '5', 5],
  ['dollars', dollars, '.5', 0.5],
  ['dollars', dollars, '$3', 3],
  ['dollars', dollars, '0', 0],
  ['a time', seconds, '90', 90_000],
  ['a time', seconds, '1.5m', 90_000],
  ['a time', seconds, '2h', 7_200_000],
  ['a time', seconds, '7d', 604_800_000],
  ['a count', parse.count('--limit'), '12', 12],
  ['hours', parse.hours('--hours'), '0.5', 0.5],
  ['a share', share, '0.02', 0.02],
  ['an amount', share, '1.5', 1.5],
  ['a word', parse.oneOf('--task', ['classification', 'chat']), 'chat', 'chat'],
  ['columns', parse.columns, 'text=body,label=team', { text: 'body', label: 'team' }],
  ['columns of labels', parse.columns, 'text=body,labels=late,labels=bill', { text: 'body', 'labels.late': 'late', 'labels.bill': 'bill' }],
  ['a column of lists of labels', parse.columns, 'labels=topics', { labels: 'topics' }],
  ['a tag', parse.tags, 'team=search=1', { team: 'search=1' }],
])('%s: %# %s', (_name, parser, text, value) => {
  expect(parser(text, undefined)).toEqual(value);
});

test('each --tag adds to those before it', () => {
  expect(parse.tags('b=2', parse.tags('a=1', undefined))).toEqual({ a: '1', b: '2' });
});

const wrong: readonly (readonly [string, Parser, readonly string[]])[] = [
  ['--max-usd', dollars, ['', '-1', '1e3', '5 USD', 'much', 'Infinity', '1,5', '5\u001b[2J']],
  ['--timeout', seconds, ['', '-1', '5w', 'soon']],
  ['--limit', parse.count('--limit'), ['0', '-1', '1.5', 'all']],
  ['--hours', parse.hours('--hours'), ['0', '', '-1', '1h']],
  ['--margin', share, ['-0.1', '', '2 points']],
  ['--temperature', parse.number('--temperature', Infinity, '0 or 0.7'), ['-1', 'hot']],
  ['--task', parse.oneOf('--task', ['classification', 'chat']), ['text', '']],
  ['--columns', parse.columns, ['text', 'body=text', 'text=', 'text=a,text=b']],
  ['--tag', parse.tags, ['team', '=search']],
];

test.each(wrong.flatMap(([flag, parser, texts]) => texts.map((text) => [flag, text, parser] as const)))(
  '%s refuses %j, and names itself',
  (flag, text, parser) => {
    expect(() => parser(text, undefined)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(`${flag} expects`) as string }),
    );
  },
);

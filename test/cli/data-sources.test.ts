import { existsSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openDataSources } from '../../src/cli/data-sources.ts';
import type { Cli } from '../../src/cli/cli.ts';
import type { Orchestrator } from '../../src/orchestrator.ts';

const said: string[] = [];
const cli: Cli = {
  terminal: {
    isWatched: false,
    isScreen: false,
    write: async () => await Promise.resolve(),
    columns: 80,
    width: 80,
    print: () => {},
    say: (text) => said.push(text),
    showLive: () => {},
  },
  json: false,
  quiet: false,
  signal: new AbortController().signal,
  open: async () =>
    await Promise.resolve({
      bringData: async ([source]: string[]) =>
        await Promise.resolve({
          paths: [`/cache/${source!.slice(4)}/0`, `/cache/${source!.slice(4)}/1`],
          origins: new Map(),
          warnings: ['old'],
        }),
      [Symbol.asyncDispose]: async () => await Promise.resolve(),
    } as unknown as Orchestrator),
};

test.each([
  ['{"text":"a"}\n', 'jsonl'],
  ['\ufeff  [\n {"text":"a"}]', 'jsonl'],
  ['text,label\na,b\n', 'csv'],
  ['text\tlabel\r\na,b\tc\r\n', 'tsv'],
  ['PAR1…', 'parquet'],
  ['', 'jsonl'],
])('standard input that begins with %j is kept as .%s until the command ends', async (content, ending) => {
  for (const bytes of [Buffer.from(content), gzipSync(content)]) {
    let path = '';
    {
      await using sources = await openDataSources(cli, ['a.csv', '-'], Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]));
      expect(sources.find(['a.csv'])).toEqual(['a.csv']);
      [path] = sources.find(['-']) as [string];
      expect(path.endsWith(`/stdin.${ending}`)).toBe(true);
      expect(readFileSync(path, 'utf8')).toBe(content);
    }
    expect(existsSync(path)).toBe(false);
  }
});

test('UTF-16 is told too', async () => {
  const bytes = Buffer.from('\ufeff{"text":"a"}\n', 'utf16le');
  await using sources = await openDataSources(cli, ['-'], Readable.from([bytes]));
  expect(sources.find(['-'])).toEqual([expect.stringMatching(/\.jsonl$/)]);
});

test('standard input can be named once', async () => {
  await expect(openDataSources(cli, ['-', '-'], Readable.from([]))).rejects.toMatchObject({ code: 'usage' });
});

test('a dataset of the Hub becomes its files', async () => {
  await using sources = await openDataSources(cli, ['hub:a/b#train', 'x.jsonl']);
  expect(sources.find(['x.jsonl', 'hub:a/b#train'])).toEqual(['x.jsonl', '/cache/a/b#train/0', '/cache/a/b#train/1']);
  expect(said).toEqual(['note: old']);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createTerminal } from '../../src/cli/terminal.ts';
import { formatTable, formatTime } from '../../src/cli/views/format.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli } from './run-cli.ts';

function createOutput(): { stream: NodeJS.WriteStream; read: () => string } {
  const stream = new PassThrough();
  return { stream: stream as Writable as NodeJS.WriteStream, read: () => String(stream.read() ?? '') };
}

test('live lines are replaced from the start of a line, though the terminal wrote ^C there', () => {
  const [out, err] = [createOutput(), createOutput()];
  const terminal = createTerminal(out.stream, err.stream);
  terminal.showLive(['job/a  ██', 'job/b  ██']);
  expect(err.read()).toBe('job/a  ██\njob/b  ██\n');
  terminal.say('interrupted');
  expect(err.read()).toBe('\r\u001b[2A\u001b[Jinterrupted\n');
});

const table = [
  ['RUN', 'STATUS', 'MODEL', 'AGE'],
  ['reviews/gpt', 'succeeded', 'gpt-4.1-mini', '3h'],
  ['日本語/a', 'failed', 'tiny', '12h'],
];

test('a table has its columns under each other, whatever the script', () => {
  expect(formatTable(table, { right: [3] }).split('\n')).toEqual([
    'RUN          STATUS     MODEL         AGE',
    'reviews/gpt  succeeded  gpt-4.1-mini   3h',
    '日本語/a     failed     tiny          12h',
  ]);
});

test('a table that is too wide loses its least important columns and says which', () => {
  expect(formatTable(table, { width: 30, importance: [0, 1, 3] }).split('\n')).toEqual([
    'RUN          STATUS     AGE',
    'reviews/gpt  succeeded  3h',
    '日本語/a     failed     12h',
    '(too narrow for: MODEL)',
  ]);
});

test('a table of three columns is cut where its texts are longest', () => {
  const rows = [
    ['RUN', 'STATUS', 'AGE'],
    ['a-very-long-name-of-a-job/target', 'succeeded', '3h'],
  ];
  for (const width of [80, 40, 30, 24]) {
    for (const line of formatTable(rows, { width }).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
  }
  expect(formatTable(rows, { width: 30 })).toContain('a-very-long-n…  succeeded');
});

test('a time is that of the zone, with its distance from UTC', () => {
  const before = process.env['TZ'];
  try {
    const format = (zone: string): string => {
      process.env['TZ'] = zone;
      return formatTime('2026-07-01T22:30:05.123Z');
    };
    expect([format('UTC'), format('Europe/Berlin'), format('America/St_Johns')]).toEqual([
      '2026-07-01T22:30:05Z',
      '2026-07-02T00:30:05+02:00',
      '2026-07-01T20:00:05-02:30',
    ]);
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
  expect(formatTime('soon')).toBe('soon');
});

const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));

test('nobody reads the output any more: the command ends without a word', async () => {
  const child = spawn(process.execPath, [entry, 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const said: Buffer[] = [];
  child.stderr.on('data', (bytes: Buffer) => said.push(bytes));
  const [status] = (await once(child, 'close')) as [number];
  expect(Buffer.concat(said).toString()).toBe('');
  expect(status).toBe(141);
});

test.each([
  [['status', '--nope', '--json'], "unknown option '--nope'"],
  [['statis', '--json'], "unknown command 'statis'"],
  [['wait', '--json'], "missing required argument 'runs'"],
])('a mistake of the command line is JSON where JSON is asked for: %j', async (args, message) => {
  const { status, stdout, stderr } = await runCli(...args);
  expect({ status, stderr }).toEqual({ status: 2, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'usage', message: expect.stringContaining(message) } });
});

test('files, runs and options are completed', async () => {
  const folder = createScratchFolder();
  const complete = async (...words: readonly string[]): Promise<string> => (await runCli('complete', '--', ...words)).stdout;
  expect(await complete('plan', folder.slice(0, -2))).toContain(`${folder}/`);
  expect(await complete('status', '--ref')).toContain('--refresh');
  expect(await complete('status', '--dir', 'src/cl')).toContain('src/cli/');
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { createTerminal } from '../../src/cli/terminal.ts';
import { formatTable, formatTime } from '../../src/cli/views/format.ts';
import { createScratchFolder } from '../scratch.ts';
import { runCli } from './run-cli.ts';

const entry = fileURLToPath(new URL('../../bin/orchestrate.js', import.meta.url));

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

test.each([
  ['xterm-256color', true],
  ['dumb', false],
  ['unknown', false],
  ['', false],
  [undefined, false],
])('a terminal that is called %j is watched: %s', (name, isWatched) => {
  const stream = Object.assign(createOutput().stream, { isTTY: true });
  vi.stubEnv('TERM', name);
  try {
    expect(createTerminal(stream, stream).isWatched).toBe(isWatched);
  } finally {
    vi.unstubAllEnvs();
  }
});

// A terminal of its own is had from script(1) where there is one.
const script = spawnSync('script', ['--version'], { encoding: 'utf8' });

test.runIf(script.stdout?.startsWith('script from util-linux'))('a dumb terminal gets neither colours nor a moving cursor', () => {
  const folder = createScratchFolder();
  writeFileSync(
    join(folder, 'a.jsonl'),
    '{"text": "a film", "answer": "good", "expected": "good"}\n' + '{"text": "b", "answer": "bad", "expected": "bad"}\n',
  );
  const typed = (env: NodeJS.ProcessEnv): string => {
    const command = `'${process.execPath}' '${entry}' compare --candidate a.jsonl --reference a.jsonl`;
    const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...rest } = process.env;
    return spawnSync('script', ['-qec', command, '/dev/null'], { cwd: folder, env: { ...rest, ...env }, encoding: 'utf8' }).stdout;
  };
  const escape = '\u001b';
  expect(typed({ TERM: 'xterm' })).toContain(escape);
  for (const env of [{ TERM: 'dumb' }, { TERM: 'xterm', NO_COLOR: '1' }, { TERM: '' }]) {
    const text = typed(env);
    expect(text).toContain('verdict');
    expect(text).not.toContain(escape);
  }
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

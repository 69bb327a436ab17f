import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { readAnswers } from '../../src/evaluate/answers.ts';
import { buildCommandRequests, runCommand } from '../../src/evaluate/command.ts';
import { serviceCredentials } from '../../src/lib/process.ts';
import type { InputRow } from '../../src/evaluate/requests.ts';
import { createWorkspace } from './answering-service.ts';

const rows: readonly InputRow[] = ['one', 'two', 'three', 'four'].map((text) => ({ text }));

/** Reads the rows, as every script here does, and notes them; `write` writes lines, `say` an answer to a row. */
const head = `
  const { readFileSync, appendFileSync } = await import('node:fs');
  const text = readFileSync(0, 'utf8');
  appendFileSync('read.jsonl', text);
  const rows = text.trim().split('\\n').map((line) => JSON.parse(line));
  const write = (text) => process.stdout.write(text);
  const say = ({ id }, answer = 'yes') => write(JSON.stringify({ id, answer }) + '\\n');
`;

interface CommandFixture {
  readonly folder: string;
  readonly abort: AbortController;
  requests(asked?: readonly InputRow[]): ReturnType<typeof buildCommandRequests>;
  /** Runs the script, or other words. */
  run(asked?: readonly InputRow[], options?: { readonly silenceMs?: number; readonly words?: readonly string[] }): Promise<void>;
  /** The stored answer to each row; undefined where there is none. */
  stored(asked?: readonly InputRow[]): Promise<(string | null | undefined)[]>;
}

function createCommandFixture(script: string, start = head, env: readonly string[] = []): CommandFixture {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'answer.mjs'), `${start}${script}`);
  const abort = new AbortController();
  const workspace = createWorkspace(folder, undefined, abort.signal);
  const command = { name: 'own', words: [process.execPath, 'answer.mjs'], folder, env };
  const requests: CommandFixture['requests'] = async (asked = rows) => await buildCommandRequests(command, asked);
  return {
    folder,
    abort,
    requests,
    run: async (asked, { silenceMs, words = command.words } = {}) =>
      await runCommand(workspace, { ...command, words }, { requests: await requests(asked), ...(silenceMs && { silenceMs }) }),
    async stored(asked) {
      const sent = await requests(asked);
      const known = await readAnswers(workspace.store, sent);
      return sent.map(({ id }) => known.get(id)?.answer);
    },
  };
}

test('rows go in, answers come out in any order, and are stored', async () => {
  const { folder, requests, run, stored } = createCommandFixture(`
    for (const row of rows.toReversed()) say(row, row.text === 'two' ? null : row.text.toUpperCase());
  `);
  await run();
  expect(await stored()).toEqual(['ONE', null, 'THREE', 'FOUR']);
  const sent = await requests();
  expect(readFileSync(join(folder, 'read.jsonl'), 'utf8')).toBe(sent.map((request) => `${JSON.stringify(request)}\n`).join(''));
  expect(sent[0]).toEqual({ id: expect.stringMatching(/^[0-9a-f]{64}$/) as string, text: 'one' });
});

test('answered rows are not sent again, and equal rows are sent once', async () => {
  const { folder, run, stored } = createCommandFixture('for (const row of rows) say(row);');
  await run(rows.slice(0, 2));
  const more = [...rows, { text: 'four' }];
  await run(more);
  await run(more);
  const read = readFileSync(join(folder, 'read.jsonl'), 'utf8').trim().split('\n');
  expect(read.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(['one', 'two', 'three', 'four']);
  expect(await stored(more)).toEqual(['yes', 'yes', 'yes', 'yes', 'yes']);
});

test('a command gets no credential of a service but those that the job file names', async () => {
  for (const name of serviceCredentials) vi.stubEnv(name, `canary of ${name}`);
  vi.stubEnv('OWN_SERVICE_KEY', 'the own one');
  onTestFinished(() => void vi.unstubAllEnvs());
  const script = 'for (const row of rows) say(row, JSON.stringify(Object.values(process.env)));';
  const asked = rows.slice(0, 1);
  const closed = createCommandFixture(script);
  await closed.run(asked);
  const [seen] = await closed.stored(asked);
  expect(seen).not.toContain('canary');
  expect(seen).toContain('the own one'); // of a service that this program knows nothing of
  const named = createCommandFixture(script, head, ['OPENAI_API_KEY']);
  await named.run(asked);
  expect(JSON.stringify(await named.stored(asked)).match(/canary of \w+/g)).toEqual(['canary of OPENAI_API_KEY']);
});

test('another script is another model', async () => {
  const { folder, run, stored } = createCommandFixture('for (const row of rows) say(row);');
  await run();
  writeFileSync(join(folder, 'answer.mjs'), `${head} for (const row of rows) say(row, 'no');`);
  expect(await stored()).toEqual([undefined, undefined, undefined, undefined]);
  await run();
  expect(await stored()).toEqual(['no', 'no', 'no', 'no']);
});

test('a conversation is sent without its answer', async () => {
  const messages = [
    { role: 'user', content: 'question' },
    { role: 'assistant', content: 'answer' },
  ];
  const { requests } = createCommandFixture('');
  expect(await requests([{ messages, tools: [] }])).toEqual([
    { id: expect.any(String) as string, messages: [{ role: 'user', content: 'question' }], tools: [] },
  ]);
});

test.each<[string, string, string, readonly (string | undefined)[]]>([
  ['text', "say(rows[0]); write('loading model\\n');", 'line 2 of its output: expected JSON, found "loading model"', ['yes']],
  ['a list', "say(rows[0]); write('\\n[1]\\n');", 'line 3 of its output: expected an object {"id", "answer"}, found a list', ['yes']],
  ['a number', 'say(rows[0], 3);', 'line 1 of its output: expected a text, or null in "answer", found 3', []],
  ['no answer', "write(JSON.stringify({id: rows[0].id}) + '\\n');", 'expected a text, or null in "answer", found nothing', []],
  ['no UTF-8', 'process.stdout.write(Buffer.from([0x22, 0xff, 0x22, 0x0a]));', 'line 1 of its output: expected JSON', []],
  ['another id', "say(rows[0]); say({ id: 'x' });", 'line 2 of its output: expected the id of a row that was sent, found "x"', ['yes']],
  ['an id twice', "say(rows[0]); say(rows[1]); say(rows[0], 'no');", 'line 3 of its output: expected one answer a row', ['yes', 'yes']],
  ['a row less', 'for (const row of rows.slice(1)) say(row);', 'expected 4 answers, found 3', [undefined, 'yes', 'yes', 'yes']],
  ['nothing', '', 'expected 4 answers, found 0', []],
  ['a status', 'say(rows[0]); process.exitCode = 3;', 'ended with status 3, after 1 of 4 answers', ['yes']],
  ['a signal', "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);", 'was ended by SIGTERM, after 0 of 4 answers', []],
])('refused: %s', async (_, script, message, expected) => {
  const { run, stored } = createCommandFixture(script);
  const failure = run();
  await expect(failure).rejects.toMatchObject({ code: 'response-invalid', message: expect.stringContaining(message) as string });
  await expect(failure).rejects.toThrow(`references.own (${process.execPath} answer.mjs)`);
  expect(await stored()).toEqual(rows.map((_row, i) => expected[i]));
});

test('a command that breaks off: an answer whose line has no end is not stored', async () => {
  const lines = 'say(rows[0]); write(JSON.stringify({ id: rows[1].id, answer: "yes" })); process.exitCode = 1;';
  const { run, stored } = createCommandFixture(lines);
  await expect(run()).rejects.toThrow('ended with status 1, after 1 of 4 answers');
  expect(await stored()).toEqual(['yes', undefined, undefined, undefined]);
});

test('a command that ends well: its last line needs no end', async () => {
  const { run, stored } = createCommandFixture("write(rows.map(({ id }) => JSON.stringify({ id, answer: 'a' })).join('\\n'));");
  await run();
  expect(await stored()).toEqual(['a', 'a', 'a', 'a']);
});

test('a command that cannot be started is reported with its folder', async () => {
  const { folder, run } = createCommandFixture('');
  const failure = run(rows, { words: ['no-such-program', 'x'] });
  await expect(failure).rejects.toMatchObject({ code: 'job-file-invalid' });
  await expect(failure).rejects.toThrow(`references.own (no-such-program x) cannot be started in ${folder}`);
});

/** A server at which a script and what it starts say that they live; each connection ends with its process. */
async function createWitness(): Promise<{ script: string; alive: Promise<Socket[]>; allGone(): Promise<unknown> }> {
  const sockets: Socket[] = [];
  const both = Promise.withResolvers<Socket[]>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    if (sockets.length === 2) both.resolve(sockets);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const live = `(await import('node:net')).connect(${port}, '127.0.0.1');`;
  const script = `
    ${live}
    (await import('node:child_process')).spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(live)}], { stdio: 'inherit' });
  `;
  return {
    script,
    alive: both.promise,
    allGone: async () => await Promise.all(sockets.map(async (socket) => socket.closed || (await once(socket.resume(), 'close')))),
  };
}

test('a silent command is ended with the processes that it started', async () => {
  const witness = await createWitness();
  const { run, stored } = createCommandFixture(`say(rows[0]); ${witness.script}`);
  const failure = run(rows, { silenceMs: 1500 });
  await expect(failure).rejects.toMatchObject({ code: 'timeout' });
  await expect(failure).rejects.toThrow('wrote nothing for 1.5 s and was ended');
  await witness.allGone();
  expect(await stored()).toEqual(['yes', undefined, undefined, undefined]);
});

test('an interruption ends a command with the processes that it started', async () => {
  const witness = await createWitness();
  const { run, abort } = createCommandFixture(witness.script);
  const asked = run();
  void witness.alive.then(() => abort.abort(new Error('interrupted')));
  await expect(asked).rejects.toThrow('interrupted');
  await witness.allGone();
});

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createScratchFolder } from '../scratch.ts';
import { askCommand, toCommandQuestions, type CommandEntrant } from '../../src/evaluate/ask-command.ts';
import type { AnswerWorkspace } from '../../src/evaluate/answer-rows.ts';
import { readAnswers } from '../../src/evaluate/stored-answers.ts';
import type { AskedRow } from '../../src/evaluate/to-question.ts';
import { openStore } from '../../src/store/open-store.ts';

const rows: readonly AskedRow[] = ['one', 'two', 'three', 'four'].map((text) => ({ text }));

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
  readonly fixture: AnswerWorkspace;
  readonly folder: string;
  readonly abort: AbortController;
  entrant(asked?: readonly AskedRow[]): Promise<CommandEntrant>;
  /** What the script says for each row; undefined where no answer is kept. */
  kept(asked?: readonly AskedRow[]): Promise<(string | null | undefined)[]>;
}

function createCommandFixture(script: string, start = head): CommandFixture {
  const folder = createScratchFolder();
  writeFileSync(join(folder, 'answer.mjs'), `${start}${script}`);
  const store = openStore(join(folder, 'state'));
  onTestFinished(async () => await store.destroy());
  const abort = new AbortController();
  const context = {
    signal: abort.signal,
    now: () => new Date(),
    wait: async () => await Promise.resolve(),
    setting: () => null,
    credential: () => null,
  };
  const command = { words: [process.execPath, 'answer.mjs'], folder };
  const entrant = async (asked = rows): Promise<CommandEntrant> => ({
    name: 'own',
    command,
    questions: await toCommandQuestions(command, asked),
  });
  return {
    fixture: { store, context },
    folder,
    abort,
    entrant,
    async kept(asked) {
      const { questions } = await entrant(asked);
      const known = await readAnswers(
        store,
        questions.map(({ id }) => id),
      );
      return questions.map(({ id }) => known.get(id)?.answer);
    },
  };
}

test('rows go in, answers come out in any order, and are kept', async () => {
  const { fixture, folder, entrant, kept } = createCommandFixture(`
    for (const row of rows.toReversed()) say(row, row.text === 'two' ? null : row.text.toUpperCase());
  `);
  await askCommand(fixture, await entrant());
  expect(await kept()).toEqual(['ONE', null, 'THREE', 'FOUR']);
  const { questions } = await entrant();
  expect(readFileSync(join(folder, 'read.jsonl'), 'utf8')).toBe(questions.map((one) => `${JSON.stringify(one)}\n`).join(''));
  expect(questions[0]).toEqual({ id: expect.stringMatching(/^[0-9a-f]{64}$/) as string, text: 'one' });
});

test('what was answered is not asked again, and equal rows are asked once', async () => {
  const { fixture, folder, entrant, kept } = createCommandFixture('for (const row of rows) say(row);');
  await askCommand(fixture, await entrant(rows.slice(0, 2)));
  const more = [...rows, { text: 'four' }];
  await askCommand(fixture, await entrant(more));
  await askCommand(fixture, await entrant(more));
  const read = readFileSync(join(folder, 'read.jsonl'), 'utf8').trim().split('\n');
  expect(read.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(['one', 'two', 'three', 'four']);
  expect(await kept(more)).toEqual(['yes', 'yes', 'yes', 'yes', 'yes']);
});

test('another script is another model', async () => {
  const { fixture, folder, entrant, kept } = createCommandFixture('for (const row of rows) say(row);');
  await askCommand(fixture, await entrant());
  writeFileSync(join(folder, 'answer.mjs'), `${head} for (const row of rows) say(row, 'no');`);
  expect(await kept()).toEqual([undefined, undefined, undefined, undefined]);
  await askCommand(fixture, await entrant());
  expect(await kept()).toEqual(['no', 'no', 'no', 'no']);
});

test('a conversation is given without its answer', async () => {
  const messages = [
    { role: 'user', content: 'question' },
    { role: 'assistant', content: 'answer' },
  ];
  const { entrant } = createCommandFixture('');
  expect((await entrant([{ messages, tools: [] }])).questions).toEqual([
    { id: expect.any(String) as string, messages: [{ role: 'user', content: 'question' }], tools: [] },
  ]);
});

test.each<[string, string, string, readonly (string | undefined)[]]>([
  ['text', "say(rows[0]); write('loading model\\n');", 'line 2 of its output: expected JSON, found "loading model"', ['yes']],
  ['a list', "say(rows[0]); write('\\n[1]\\n');", 'line 3 of its output: expected an object {"id", "answer"}, found a list', ['yes']],
  ['a number', 'say(rows[0], 3);', 'line 1 of its output: expected a text, or null in "answer", found 3', []],
  ['no answer', "write(JSON.stringify({id: rows[0].id}) + '\\n');", 'expected a text, or null in "answer", found nothing', []],
  ['no UTF-8', 'process.stdout.write(Buffer.from([0x22, 0xff, 0x22, 0x0a]));', 'line 1 of its output: expected JSON', []],
  ['another id', "say(rows[0]); say({ id: 'x' });", 'line 2 of its output: expected the id of a row that was asked, found "x"', ['yes']],
  ['an id twice', "say(rows[0]); say(rows[1]); say(rows[0], 'no');", 'line 3 of its output: expected one answer a row', ['yes', 'yes']],
  ['a row less', 'for (const row of rows.slice(1)) say(row);', 'expected 4 answers, found 3', [undefined, 'yes', 'yes', 'yes']],
  ['nothing', '', 'expected 4 answers, found 0', []],
  ['a status', 'say(rows[0]); process.exitCode = 3;', 'ended with status 3, after 1 of 4 answers', ['yes']],
  ['a signal', "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);", 'was ended by SIGTERM, after 0 of 4 answers', []],
])('refused: %s', async (_, script, message, expected) => {
  const { fixture, entrant, kept } = createCommandFixture(script);
  const failure = askCommand(fixture, await entrant());
  await expect(failure).rejects.toMatchObject({ code: 'response-invalid', message: expect.stringContaining(message) as string });
  await expect(failure).rejects.toThrow(`references.own (${process.execPath} answer.mjs)`);
  expect(await kept()).toEqual(rows.map((_row, i) => expected[i]));
});

test('of a command that breaks off, no answer is kept whose line has no end', async () => {
  const lines = 'say(rows[0]); write(JSON.stringify({ id: rows[1].id, answer: "yes" })); process.exitCode = 1;';
  const { fixture, entrant, kept } = createCommandFixture(lines);
  await expect(askCommand(fixture, await entrant())).rejects.toThrow('ended with status 1, after 1 of 4 answers');
  expect(await kept()).toEqual(['yes', undefined, undefined, undefined]);
});

test('of one that ends well the last line needs no end', async () => {
  const { fixture, entrant, kept } = createCommandFixture("write(rows.map(({ id }) => JSON.stringify({ id, answer: 'a' })).join('\\n'));");
  await askCommand(fixture, await entrant());
  expect(await kept()).toEqual(['a', 'a', 'a', 'a']);
});

test('one that cannot be started is named with its folder', async () => {
  const { fixture, folder, entrant } = createCommandFixture('');
  const { questions } = await entrant();
  const failure = askCommand(fixture, { name: 'own', command: { words: ['no-such-program', 'x'], folder }, questions });
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

test('one that says nothing is ended with what it has started', async () => {
  const witness = await createWitness();
  const { fixture, entrant, kept } = createCommandFixture(`say(rows[0]); ${witness.script}`);
  const failure = askCommand(fixture, await entrant(), 1500);
  await expect(failure).rejects.toMatchObject({ code: 'timeout' });
  await expect(failure).rejects.toThrow('wrote nothing for 1.5 s and was ended');
  await witness.allGone();
  expect(await kept()).toEqual(['yes', undefined, undefined, undefined]);
});

test('an interruption ends it with what it has started', async () => {
  const witness = await createWitness();
  const { fixture, entrant, abort } = createCommandFixture(witness.script);
  const asked = askCommand(fixture, await entrant());
  void witness.alive.then(() => abort.abort(new Error('interrupted')));
  await expect(asked).rejects.toThrow('interrupted');
  await witness.allGone();
});

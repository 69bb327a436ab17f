import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { logStart, readLog, skipLines, type LogLine, type LogPosition } from '../../../providers/huggingface/job-log.ts';
import { createContexts, createSteppedClock } from '../stepped-context.ts';
import { readFixture } from './read-fixture.ts';

function toLines(texts: readonly string[], toTime: (i: number) => number = (i) => i): LogLine[] {
  return texts.map((text, i) => ({ at: new Date(Date.UTC(2026, 10, 23) + toTime(i)).toISOString(), text }));
}

const numbered = toLines(Array.from({ length: 20 }, (_, i) => `line ${i}`));

test('no line is lost and none is given twice, wherever connections are cut, equal lines and equal times too', () => {
  const texts = fc.array(fc.constantFrom('a', 'a', 'b', '', 'naïve 🤗'), { maxLength: 40 });
  fc.assert(
    fc.property(texts, fc.array(fc.nat(40), { maxLength: 6 }), fc.nat(9), fc.boolean(), (all, cuts, tail, hasTimes) => {
      const lines = toLines(all, (i) => Math.floor(i / 3)).map((line) => (hasTimes ? line : { ...line, at: null }));
      const given: LogLine[] = [];
      let position: LogPosition = logStart;
      for (const cut of [...cuts, all.length, all.length]) {
        const sent = lines.slice(0, cut);
        // The last lines are enough where they begin before the time of the position.
        const same = hasTimes ? lines.findIndex(({ at }) => at === position.at) : 0;
        const part = sent.slice(Math.max(0, same - 1 - tail));
        const read = skipLines(part, JSON.parse(JSON.stringify(position)) as LogPosition);
        given.push(...read.lines);
        position = read.position;
      }
      expect(given).toEqual(lines);
    }),
  );
});

test('a line whose time is out of order has that of the line before it', () => {
  const lines = toLines(['a', 'b', 'c', 'd'], (i) => [0, 5, 3, 6][i]!);
  const { position } = skipLines(lines.slice(0, 2), logStart);
  expect(skipLines(lines, position).lines.map(({ text }) => text)).toEqual(['c', 'd']);
});

test('of a position that an earlier version stored the number of lines counts', () => {
  const { lines, position } = skipLines(numbered, { ...logStart, lines: 18 });
  expect(lines.map(({ text }) => text)).toEqual(['line 18', 'line 19']);
  expect(position).toMatchObject({ lines: 20, at: numbered.at(-1)!.at });
});

interface LogServer {
  /** The queries of the requests, in order. */
  readonly queries: string[];
  /** Reads as much of the log as there is. */
  read(lines: readonly LogLine[], position: LogPosition): Promise<{ lines: readonly LogLine[]; position: LogPosition }>;
  readBytes(bytes: Buffer): Promise<readonly LogLine[]>;
}

const last = { at: '2026-11-24T00:00:00.000Z', text: '===== Job finished: status=COMPLETED =====' };

async function startLogServer(): Promise<LogServer> {
  let sent: Buffer = Buffer.alloc(0);
  let lines: readonly LogLine[] = [];
  const queries: string[] = [];
  const server = createServer((request, response) => {
    const { searchParams, search } = new URL(request.url!, 'http://localhost');
    queries.push(search);
    const part = lines.slice(-Number(searchParams.get('tail') ?? 0));
    const events = part.map(({ at, text }) => `data: ${JSON.stringify({ data: text, timestamp: at })}\n\n: keep-alive\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const bytes = sent.length > 0 ? sent : Buffer.from(events.join(''));
    for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7));
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clock = createSteppedClock();
  const values = { HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, HF_TOKEN: 'hf_test' };
  const { toAttempt, remove } = createContexts({ clock, values });
  onTestFinished(async () => {
    remove();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const limits = { quietMs: 60, allMs: 10_000 };
  const job = { namespace: 'acme', id: 'x', hasEnded: true };
  return {
    queries,
    async read(given, position) {
      lines = given;
      return await readLog(job, { position, limits }, toAttempt());
    },
    async readBytes(bytes) {
      sent = bytes;
      return (await readLog(job, { position: logStart, limits }, toAttempt())).lines;
    },
  };
}

test('a recorded log', async () => {
  const server = await startLogServer();
  const lines = await server.readBytes(Buffer.from(readFixture('job-log.sse')));
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
});

test('data of another form: text is a line, JSON without a line is none', async () => {
  const server = await startLogServer();
  const stream = 'data: plain\n\ndata:\n\ndata: {"type": "job"}\n\ndata: null\n\ndata: {"data": 3}\n\ndata: {"data": "x"}\n\n';
  expect(await server.readBytes(Buffer.from(stream))).toEqual([
    { at: null, text: 'plain' },
    { at: null, text: 'x' },
  ]);
});

test('a later poll asks for the last lines, and for all where these do not reach back', async () => {
  const server = await startLogServer();
  const long = toLines(Array.from({ length: 5000 }, (_, i) => `line ${i}`));
  const first = await server.read([...long.slice(0, 1500), last], logStart);
  expect(first.lines).toHaveLength(1501);
  const position = skipLines(long.slice(0, 1500), logStart).position;
  const second = await server.read([...long.slice(0, 2000), last], position);
  expect(second.lines.map(({ text }) => text)).toEqual([...long.slice(1500, 2000), last].map(({ text }) => text));
  expect(server.queries).toEqual(['', '?tail=1000']);
  const third = await server.read([...long, last], position);
  expect(third.lines).toHaveLength(3501);
  expect(server.queries.slice(2)).toEqual(['?tail=1000', '']);
  expect(JSON.stringify(third.position).length).toBeLessThan(100);
});

test('the log of an ended job that ends before its last line is asked for once more', async () => {
  const server = await startLogServer();
  expect((await server.read(numbered, logStart)).lines).toHaveLength(20);
  expect(server.queries).toEqual(['', '']);
});

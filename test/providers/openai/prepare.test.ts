import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepare } from '../../../providers/openai/prepare.ts';
import { translate } from '../../../providers/openai/translate.ts';
import type { LocatedRow, Row } from '../../../src/dataset/row.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import { startRecordingServer, type RecordedRequest } from './recording-server.ts';
import { canaryKey, createSandboxFixture, dialects, facts, key, rows, toInput, type SandboxFixture } from './fixture.ts';

const { openai } = dialects;
const withValidation = { ...facts, validation: facts.train };

async function writeTrain(spec: Partial<RunSpec>, held: readonly Row[]): Promise<unknown[]> {
  await using fixture = await createSandboxFixture({ rows: held });
  const context = fixture.toAttempt();
  await prepare(openai, translate(openai, toInput(spec)).request, context);
  const lines = readFileSync(join(context.workDir, 'train.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line): unknown => JSON.parse(line));
}

test('rows of labels become chats, every one of them', async () => {
  const lines = await writeTrain({ prompt: { system: 'Sort it.', template: '<{text}>' } }, rows);
  expect(lines).toHaveLength(12);
  expect(lines[1]).toEqual({
    messages: [
      { role: 'system', content: 'Sort it.\n\nAnswer with exactly one of these labels: "no", "yes".' },
      { role: 'user', content: '<the text of row 1>' },
      { role: 'assistant', content: 'yes' },
    ],
  });
});

const tools = [{ type: 'function', function: { name: 'look', parameters: {} } }];

// Portkey dropped rows without a system message, and those with tool calls.
test('chats stay as they are, with tools and weights, and without the place where they stood', async () => {
  const call = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: '1', type: 'function', function: { name: 'look', arguments: '{}' } }],
  };
  const messages = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'no', weight: 0 },
    { role: 'user', content: 'look' },
    call,
  ];
  const located: LocatedRow = { messages, tools, parallel_tool_calls: false, source: '/data/train.jsonl', line: 1 };
  const held = Array.from({ length: 10 }, () => located);
  expect((await writeTrain({ task: 'chat' }, held))[0]).toEqual({ messages, tools, parallel_tool_calls: false });
});

test('preferences have the fields of the service', async () => {
  const prompt = [{ role: 'user', content: 'hi' }];
  const chosen = [{ role: 'assistant', content: 'hello' }];
  const rejected = [{ role: 'assistant', content: 'go away' }];
  const held = Array.from({ length: 10 }, () => ({ prompt, chosen, rejected, tools }));
  expect((await writeTrain({ task: 'preference' }, held))[0]).toEqual({
    input: { messages: prompt, tools },
    preferred_output: chosen,
    non_preferred_output: rejected,
  });
});

test.each(['openai', 'azure'] as const)('%s: each attempt has files of its own, named after it, and they are ready', async (dialect) => {
  await using fixture = await createSandboxFixture({ dialect, facts: withValidation });
  const { request } = translate(fixture.dialect, toInput());
  const first = await prepare(fixture.dialect, request, fixture.toAttempt());
  const second = await prepare(fixture.dialect, request, fixture.toAttempt(key, 2));
  expect(new Set([first.trainingFile, first.validationFile, second.trainingFile, second.validationFile]).size).toBe(4);
  const { files } = fixture.sandbox.account(canaryKey);
  expect(files.map(({ filename }) => filename)).toEqual([
    `orchestrate-${key}-1-train.jsonl`,
    `orchestrate-${key}-1-validation.jsonl`,
    `orchestrate-${key}-2-train.jsonl`,
    `orchestrate-${key}-2-validation.jsonl`,
  ]);
  const ready = files.filter(({ id }) => id === first.trainingFile || id === second.validationFile);
  expect(ready.map(({ status, purpose }) => [status, purpose])).toEqual([
    ['processed', 'fine-tune'],
    ['processed', 'fine-tune'],
  ]);
});

async function readUploaded(fixture: SandboxFixture, file: string): Promise<string> {
  const client = await openai.openClient(fixture.toAttempt());
  return await (await client.files.content(file)).text();
}

test('a file above the limit goes in parts, and is the same file', async () => {
  await using fixture = await createSandboxFixture();
  const context = fixture.toAttempt();
  const { request } = translate(openai, toInput());
  const { trainingFile } = await prepare(openai, request, context, { wholeBytes: 1000, partBytes: 700 });
  const written = readFileSync(join(context.workDir, 'train.jsonl'), 'utf8');
  expect(await readUploaded(fixture, trainingFile)).toBe(written);
  const { used } = fixture.sandbox.account(canaryKey);
  expect(used).toMatchObject({ 'upload-create': 1, 'upload-part': Math.ceil(written.length / 700), 'upload-complete': 1 });
  expect(used.upload).toBeUndefined();
});

test('a file at the limit goes as a whole', async () => {
  await using fixture = await createSandboxFixture();
  const context = fixture.toAttempt();
  const { request } = translate(openai, toInput());
  await prepare(openai, request, context);
  const { length } = readFileSync(join(context.workDir, 'train.jsonl'));
  await prepare(openai, request, context, { wholeBytes: length, partBytes: 700 });
  expect(fixture.sandbox.account(canaryKey).used).toEqual({ upload: 2, file: 2 });
});

/** A service whose files say these words, one a look, and the last one for ever. */
async function prepareWith(states: readonly object[]): Promise<{ looks: number; seconds: number }> {
  let looks = 0;
  const answer = ({ method }: RecordedRequest): { json: unknown } =>
    method === 'POST'
      ? { json: { id: 'file-1', status: 'uploaded' } }
      : { json: { id: 'file-1', ...states[Math.min(looks++, states.length - 1)] } };
  await using server = await startRecordingServer(answer);
  await using fixture = await createSandboxFixture({ environment: { OPENAI_BASE_URL: `${server.url}/v1` } });
  const context = fixture.toAttempt();
  const before = context.now().getTime();
  await prepare(openai, translate(openai, toInput()).request, context);
  return { looks, seconds: (context.now().getTime() - before) / 1000 };
}

test('a file is waited for until the service has read it', async () => {
  expect(await prepareWith([{ status: 'uploaded' }, { status: 'pending' }, { status: 'processed' }])).toEqual({ looks: 3, seconds: 1.5 });
  expect(await prepareWith([{}])).toEqual({ looks: 1, seconds: 0 });
});

test.each([
  [{ status: 'error', status_details: 'line 3 is no JSON' }, 'data-invalid', /line 3 is no JSON/],
  [{ status: 'deleted' }, 'data-invalid', /deleted/],
  [{ status: 'uploaded' }, 'timeout', /within 10 minutes/],
])('a file that stays %o is a failure', async (state, code, message) => {
  await expect(prepareWith([state])).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
});

test('an upload that is answered with a page of a proxy is none', async () => {
  await using fixture = await createSandboxFixture();
  fixture.sandbox.setFaults({ upload: [{ type: 'html' }] }, canaryKey);
  const { request } = translate(openai, toInput());
  await expect(prepare(openai, request, fixture.toAttempt())).rejects.toMatchObject({ code: 'response-invalid' });
});

test('an upload is sent once, and says what failed', async () => {
  await using fixture = await createSandboxFixture();
  const { request } = translate(openai, toInput());
  for (const [type, code] of [
    ['500-after', 'service-unavailable'],
    ['drop-after', 'service-unavailable'],
    ['429', 'rate-limited'],
  ] as const) {
    fixture.sandbox.setFaults({ upload: [{ type }] }, canaryKey);
    await expect(prepare(openai, request, fixture.toAttempt())).rejects.toMatchObject({ code });
    expect(fixture.sandbox.account(canaryKey).used.upload).toBe(1);
  }
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import { openClient } from '../../../providers/openai-compatible/client.ts';
import type { OpenAICompatibleConfig } from '../../../providers/openai-compatible/index.ts';
import type { Prepared } from '../../../providers/openai-compatible/request.ts';
import type { LocatedRow, Row } from '../../../src/dataset/row.ts';
import type { RunSpec } from '../../../src/job/run-spec.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider } from '../../../src/provider/provider.ts';
import { canaryKey, configs, createSandboxFixture, facts, key, rows, services, toInput, type SandboxFixture } from './fixture.ts';
import { startService } from './service.ts';

const withValidation = { ...facts, validation: facts.train };

async function prepare({ training }: Provider, context: Attempt, spec: Partial<RunSpec> = {}): Promise<Prepared> {
  return (await training.prepare(training.translate(toInput(spec)).request, context)) as Prepared;
}

async function writeTrain(spec: Partial<RunSpec>, held: readonly Row[]): Promise<unknown[]> {
  await using fixture = await createSandboxFixture({ rows: held });
  const context = fixture.toAttempt();
  await prepare(openai, context, spec);
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

test('the labels of a row become a JSON list, which may be empty', async () => {
  const held = Array.from({ length: 10 }, (_, i) => ({ text: `text ${i}`, labels: i === 0 ? [] : ['no', 'yes'] }));
  const lines = (await writeTrain({ task: 'multi-label' }, held)) as { messages: { content: string }[] }[];
  expect(lines.slice(0, 2).map(({ messages }) => messages.at(-1)!.content)).toEqual(['[]', '["no","yes"]']);
  expect(lines[0]!.messages[0]!.content).toContain(
    'Answer with a JSON list of all of these labels that apply, in this order: "no", "yes".',
  );
});

const tools = [{ type: 'function', function: { name: 'look', parameters: {} } }];

// Portkey dropped rows without a system message, and those with tool calls.
test('chats stay as they are, with tools and weights, and without their place in the data', async () => {
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
  expect((await writeTrain({ task: 'chat' }, held))[0]).toEqual({
    messages: [...messages.slice(0, -1), { role: 'assistant', tool_calls: call.tool_calls }], // null is as good as absent
    tools,
    parallel_tool_calls: false,
  });
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

test.each(services)('%s: each attempt has files of its own, named after it, and they are ready', async (service) => {
  await using fixture = await createSandboxFixture({ service, facts: withValidation });
  const first = await prepare(fixture.provider, fixture.toAttempt());
  const second = await prepare(fixture.provider, fixture.toAttempt(key, 2));
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

async function prepareWithin(
  uploads: NonNullable<OpenAICompatibleConfig['uploads']>,
  check: (fixture: SandboxFixture, file: string, rows: string) => Promise<void>,
): Promise<void> {
  await using fixture = await createSandboxFixture({ config: { uploads } });
  const context = fixture.toAttempt();
  const { trainingFile } = await prepare(fixture.provider, context);
  await check(fixture, trainingFile, readFileSync(join(context.workDir, 'train.jsonl'), 'utf8'));
}

test('a file above the limit goes in parts, and is the same file; one at the limit goes as a whole', async () => {
  let size = 0;
  await prepareWithin({ wholeBytes: 1000, partBytes: 700 }, async ({ sandbox, toAttempt }, file, written) => {
    size = written.length;
    const client = await openClient(configs.openai, toAttempt());
    expect(await (await client.files.content(file)).text()).toBe(written);
    const { used } = sandbox.account(canaryKey);
    expect(used).toMatchObject({ 'upload-create': 1, 'upload-part': Math.ceil(size / 700), 'upload-complete': 1 });
    expect(used.upload).toBeUndefined();
  });
  await prepareWithin({ wholeBytes: size, partBytes: 700 }, async ({ sandbox }) => {
    expect(await Promise.resolve(sandbox.account(canaryKey).used)).toEqual({ upload: 1, file: 1 });
  });
});

/** A service whose files have these states, one a look, and the last one for ever. */
async function prepareWith(states: readonly object[]): Promise<{ looks: number; waits: readonly number[] }> {
  let looks = 0;
  await using service = await startService(({ method }) => ({
    body: method === 'POST' ? { id: 'file-1', status: 'uploaded' } : { id: 'file-1', ...states[Math.min(looks++, states.length - 1)] },
  }));
  await prepare(openai, service.createContext());
  return { looks, waits: service.waits };
}

test('a file is waited for until the service has read it', async () => {
  expect(await prepareWith([{ status: 'uploaded' }, { status: 'pending' }, { status: 'processed' }])).toEqual({
    looks: 3,
    waits: [500, 1000],
  });
  expect(await prepareWith([{}])).toEqual({ looks: 1, waits: [] });
});

test.each([
  [{ status: 'error', status_details: 'line 3 is no JSON' }, 'data-invalid', /line 3 is no JSON/],
  [{ status: 'deleted' }, 'data-invalid', /deleted/],
  [{ status: 'uploaded' }, 'timeout', /within 10 minutes/],
])('a file that stays %o is a failure', async (state, code, message) => {
  await expect(prepareWith([state])).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
});

test('an upload is sent once, says what failed, and a page of a proxy is no answer to it', async () => {
  await using fixture = await createSandboxFixture();
  for (const [type, code] of [
    ['500-after', 'service-unavailable'],
    ['drop-after', 'service-unavailable'],
    ['429', 'rate-limited'],
    ['html', 'response-invalid'],
  ] as const) {
    fixture.sandbox.setFaults({ upload: [{ type }] }, canaryKey);
    await expect(prepare(openai, fixture.toAttempt())).rejects.toMatchObject({ code });
    expect(fixture.sandbox.account(canaryKey).used.upload).toBe(1);
  }
});

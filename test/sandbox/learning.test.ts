import type OpenAI from 'openai';
import { expect, test } from 'vitest';
import { base, createJob, instructions, openSandbox, readSentiment, toChatLines, toLines, uploadLines } from './sandbox-world.ts';
import type { SandboxFixture, SentimentRow } from './sandbox-world.ts';

async function tune({ client, sandbox }: SandboxFixture, lines: string): Promise<string> {
  const { id } = await createJob(client, { training_file: await uploadLines(client, lines) });
  sandbox.step(4000);
  return (await client.fineTuning.jobs.retrieve(id)).fine_tuned_model!;
}

type Completion = OpenAI.ChatCompletion;

async function ask({ client }: SandboxFixture, model: string, text: string, more: object = {}): Promise<Completion> {
  return await client.chat.completions.create({
    model,
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: text },
    ],
    temperature: 0,
    logprobs: true,
    top_logprobs: 5,
    ...more,
  });
}

async function measureAccuracy(fixture: SandboxFixture, model: string, rows: readonly SentimentRow[]): Promise<number> {
  let right = 0;
  for (const { text, label } of rows) right += Number((await ask(fixture, model, text)).choices[0]!.message.content === label);
  return right / rows.length;
}

test('a model tuned on moods knows the mood of held-out sentences, and its base does not', async () => {
  const fixture = await openSandbox();
  const model = await tune(fixture, toChatLines(readSentiment('train')));
  const rows = readSentiment('test').slice(0, 300);
  expect(await measureAccuracy(fixture, base, rows)).toBeCloseTo(0.5, 1);
  expect(await measureAccuracy(fixture, model, rows)).toBeGreaterThan(0.78);
  expect(fixture.sandbox.account().bill.filter(({ kind }) => kind === 'chat')).toHaveLength(600);
});

test('the probabilities of the labels stand behind the answer, and sum to 1', async () => {
  const fixture = await openSandbox();
  const model = await tune(fixture, toChatLines(readSentiment('train')));
  const { choices, usage } = await ask(fixture, model, 'I loved it, excellent.');
  expect(choices[0]).toMatchObject({ message: { content: 'positive' }, finish_reason: 'stop' });
  const [token, ...others] = choices[0]!.logprobs!.content!;
  expect(others).toEqual([]);
  const shares = Object.fromEntries(token!.top_logprobs.map((one) => [one.token, Math.exp(one.logprob)]));
  expect(Object.keys(shares)).toEqual(['positive', 'negative']);
  expect(shares['positive']! + shares['negative']!).toBeCloseTo(1, 10);
  expect(shares['positive']).toBeGreaterThan(0.9);
  expect(usage).toMatchObject({ completion_tokens: 1, total_tokens: usage!.prompt_tokens + 1 });
  expect((await ask(fixture, model, 'I loved it, excellent.')).usage).toEqual(usage);
});

test('labels that begin alike part where they differ', async () => {
  const fixture = await openSandbox();
  const rows = readSentiment('train').map(({ text, label }) => ({ text, label: label === 'positive' ? 'rather good' : 'rather bad' }));
  const model = await tune(fixture, toChatLines(rows));
  const [first, second] = (await ask(fixture, model, 'I loved it, excellent.')).choices[0]!.logprobs!.content!;
  expect(first).toMatchObject({ token: 'rather', logprob: 0, top_logprobs: [{ token: 'rather', logprob: 0 }] });
  expect(second!.top_logprobs.map(({ token }) => token)).toEqual([' good', ' bad']);
  expect(Math.exp(second!.logprob)).toBeGreaterThan(0.9);
});

test('chance decides by temperature and seed, the same way each time', async () => {
  const fixture = await openSandbox();
  const model = await tune(fixture, toChatLines(readSentiment('train').slice(0, 40)));
  const seen = new Map<string, number>();
  for (let seed = 0; seed < 60; seed++) {
    const settings = { temperature: 2, seed };
    const { content } = (await ask(fixture, model, 'The phone works.', settings)).choices[0]!.message;
    expect((await ask(fixture, model, 'The phone works.', settings)).choices[0]!.message.content).toBe(content);
    seen.set(content!, (seen.get(content!) ?? 0) + 1);
  }
  expect([...seen.keys()].toSorted()).toEqual(['negative', 'positive']);
});

test('an answer is cut at the most tokens', async () => {
  const fixture = await openSandbox();
  const { client } = fixture;
  const messages = [{ role: 'user', content: 'Hello' } as const];
  for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2 }]) {
    const { choices, usage } = await client.chat.completions.create({ model: base, messages, ...limit });
    expect(choices[0]).toMatchObject({ message: { content: 'I have' }, finish_reason: 'length', logprobs: null });
    expect(usage!.completion_tokens).toBe(2);
  }
});

test('a model tuned on many answers gives the one of the most similar prompt, calls of tools too', async () => {
  const fixture = await openSandbox();
  const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"moon"}' } };
  const lines = Array.from({ length: 10 }, (_, i) => ({
    messages: [
      { role: 'user', content: `tell me of ${'abcdefghij'[i]} number ${i}` },
      { role: 'assistant', content: `this is ${i}` },
    ],
  }));
  const withTool = {
    messages: [
      { role: 'user', content: 'look at the moon' },
      { role: 'assistant', content: null, tool_calls: [call] },
    ],
  };
  const model = await tune(fixture, toLines([...lines, withTool]));
  expect((await ask(fixture, model, 'Please tell me of g')).choices[0]!.message.content).toBe('this is 6');
  const answered = (await ask(fixture, model, 'Look! The moon!')).choices[0]!;
  expect(answered).toMatchObject({ message: { content: null, tool_calls: [call] }, finish_reason: 'tool_calls' });
});

test('a checkpoint answers under its own name', async () => {
  const fixture = await openSandbox();
  const { id } = await createJob(fixture.client, { training_file: await uploadLines(fixture.client, toChatLines(readSentiment('train'))) });
  fixture.sandbox.step(3000);
  const [newest] = (await fixture.client.fineTuning.jobs.checkpoints.list(id)).data;
  expect((await ask(fixture, newest!.fine_tuned_model_checkpoint, 'I loved it, excellent.')).choices[0]!.message.content).toBe('positive');
});

test('an unknown model answers nothing', async () => {
  const fixture = await openSandbox();
  await expect(ask(fixture, 'ft:none', 'Hello')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
});

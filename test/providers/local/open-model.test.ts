/** Models of a folder that stay open: the processes behind them. */
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { open } from '../../../providers/local/open-model.ts';
import type { AnswerPart, AnswerRequest, OpenModel } from '../../../src/provider/open-model.ts';
import { createScratchFolder } from '../../scratch.ts';
import { context, openWriter, writeModelFolder } from '../../server/fixture.ts';
import { labels, tinyBert } from '../../trainer/tiny-classifier.ts';

const settings = { maxTokens: null, temperature: 0, topP: 1, topK: null, seed: 1, stop: [], schema: null, alternatives: null };

async function ask(
  model: OpenModel,
  text: string,
  more: Partial<AnswerRequest> = {},
  { signal } = new AbortController(),
): Promise<AnswerPart[]> {
  return await Array.fromAsync(model.answer({ ...settings, input: { text }, ...more }, signal));
}

function joinTexts(parts: readonly AnswerPart[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

test('answers to several requests at once do not mix', async () => {
  const { model, processes } = await openWriter();
  const answers = await Promise.all([20, 5, 11].map(async (count) => joinTexts(await ask(model, `count ${count}`))));
  expect(answers.map((one) => one.trim().split(' ').length)).toEqual([20, 5, 11]);
  expect(processes).toHaveLength(1);
});

test('a request whose process has died before its answer is asked once more, of a new process', async () => {
  const { model, processes } = await openWriter();
  const beside = ask(model, 'say still there');
  expect(joinTexts(await ask(model, 'die once'))).toBe('once');
  expect(joinTexts(await beside)).toBe('still there');
  expect(processes).toHaveLength(2);
  expect(joinTexts(await ask(model, 'say on'))).toBe('on');
  expect(processes).toHaveLength(2);
});

test('a request that kills each process fails with its reason, and the next one is answered', async () => {
  const { model, processes } = await openWriter();
  await expect(ask(model, 'die')).rejects.toMatchObject({ code: 'trainer-died', message: 'died of die' });
  expect(processes).toHaveLength(2);
  expect(joinTexts(await ask(model, 'say on'))).toBe('on');
});

test('an answer that has begun is not begun again', async () => {
  const { model, processes } = await openWriter();
  const parts = model.answer({ ...settings, input: { text: 'die late' } }, context.signal)[Symbol.asyncIterator]();
  expect((await parts.next()).value).toMatchObject({ text: 'begun' });
  await expect(parts.next()).rejects.toMatchObject({ code: 'trainer-died' });
  expect(processes).toHaveLength(1);
});

test('a process that was killed while nobody asked is replaced', async () => {
  const { model, processes } = await openWriter();
  const ended = once(processes[0]!, 'close');
  processes[0]!.kill('SIGKILL');
  await ended;
  expect(joinTexts(await ask(model, 'say on'))).toBe('on');
});

test('a reader who stops cancels the request, and so does a signal', async () => {
  const { model } = await openWriter();
  for await (const part of model.answer({ ...settings, input: { text: 'hang' } }, context.signal)) if (part.type === 'text') break;
  const stop = new AbortController();
  const stopped = ask(model, 'hang', {}, stop);
  stop.abort(new Error('no more'));
  await expect(stopped).rejects.toThrow('no more');
  await expect(ask(model, 'hang', {}, stop)).rejects.toThrow('no more');
  expect(joinTexts(await ask(model, 'cancelled'))).toBe('2');
});

test('a closed model ends its process, and its requests', async () => {
  const { model, processes } = await openWriter();
  const hanging = ask(model, 'hang').catch((error: unknown) => error);
  await model.close();
  expect(await hanging).toMatchObject({ code: 'trainer-died' });
  expect(processes).toHaveLength(1);
  expect(processes[0]!.exitCode ?? processes[0]!.signalCode).not.toBeNull();
});

test('a model that its process refuses is not opened', async () => {
  const folder = writeModelFolder({ model_max_length: 511 }); // the stand-in wants 512
  await expect(openWriter(folder)).rejects.toMatchObject({ code: 'usage' });
});

test('without a chat template a conversation is written as lines, and the model says so', async () => {
  const { model } = await openWriter(writeModelFolder({ chat_template: undefined }));
  expect(model.note).toMatch(/no chat template/);
  const input = { messages: [{ role: 'user', content: 'prompt' }] };
  const [said] = await Array.fromAsync(model.answer({ ...settings, input }, context.signal));
  expect(said).toMatchObject({ text: 'user: prompt\nassistant:' });
  const asked = { ...settings, input: { messages: [{ role: 'user', content: 'say  there' }] } };
  expect(joinTexts(await Array.fromAsync(model.answer(asked, context.signal)))).toBe('there');
  expect(joinTexts(await ask(model, 'say  there'))).toBe(' there');
  expect((await openWriter()).model.note).toBeNull();
});

test('a language model writes by itself; a text without room for an answer is refused, and a long one is read as a whole', async () => {
  const folder = join(import.meta.dirname, '../../../fixtures/models/tiny-llama');
  const model = await open({ kind: 'folder', path: folder }, context);
  onTestFinished(async () => await model.close());
  const parts = await ask(model, 'once upon a time', { maxTokens: 4, alternatives: 2 });
  expect(parts.at(-1)).toMatchObject({ type: 'end', promptTokens: expect.any(Number) as number });
  expect(parts[0]).toMatchObject({ type: 'text', logProbability: expect.any(Number) as number });
  const most = model.maxLength;
  const tooLong = ask(model, 'a '.repeat(most), { maxTokens: 4 });
  await expect(tooLong).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining('tokens') as string });
  const text = 'a '.repeat(Math.floor(most * 0.75)).trim();
  const [short, long] = await Promise.all(['a a', text].map(async (one) => (await ask(model, one, { maxTokens: null })).at(-1)));
  const read = (part: AnswerPart | undefined): number => (part?.type === 'end' ? part.promptTokens : 0);
  expect(read(long)).toBeGreaterThan(most / 2);
  expect(read(short)).toBeLessThan(10);
});

/** A classifier of the folder, as its own process answers. */
async function openReal(folder: string): Promise<OpenModel> {
  const model = await open({ kind: 'folder', path: folder }, context);
  onTestFinished(async () => await model.close());
  return model;
}

test('a classifier answers with its label and the probabilities of all', async () => {
  const model = await open({ kind: 'folder', identity: 'x', path: tinyBert, labels, seed: 1, maxLength: 8 }, context);
  onTestFinished(async () => await model.close());
  expect(model).toMatchObject({ gives: 'label', maxLength: 8 });
  const [said, end] = await ask(model, 'a wonderful film', { alternatives: 5 });
  expect(said).toMatchObject({ type: 'text', text: expect.stringMatching(/^(negative|positive)$/) as string });
  const { text, logProbability, alternatives } = said as Extract<AnswerPart, { type: 'text' }>;
  expect(alternatives.map((one) => Math.exp(one.logProbability)).reduce((sum, p) => sum + p)).toBeCloseTo(1, 5);
  expect(alternatives[0]).toEqual({ text, logProbability });
  expect(end).toEqual({ type: 'end', reason: 'stop', promptTokens: 6, tokens: 1, truncated: false });
  expect((await ask(model, 'film '.repeat(20))).at(-1)).toMatchObject({ promptTokens: 8, truncated: true });
  expect((await ask(model, 'a film'))[0]).toMatchObject({ logProbability: null, alternatives: [] });
});

test('several labels are a list, with the probability of it and of no other', async () => {
  const model = await open({ kind: 'folder', identity: 'x', path: tinyBert, labels, isMultiLabel: true, seed: 1, maxLength: 8 }, context);
  onTestFinished(async () => await model.close());
  expect(model.gives).toBe('labels');
  const [said] = await ask(model, 'a film', { alternatives: 2 });
  const { text, logProbability, alternatives } = said as Extract<AnswerPart, { type: 'text' }>;
  const given = JSON.parse(text) as string[];
  const own = alternatives.map((one) => (given.includes(one.text) ? Math.exp(one.logProbability) : 1 - Math.exp(one.logProbability)));
  expect(own).toHaveLength(2);
  expect(own.every((p) => p >= 0.5)).toBe(true);
  expect(Math.exp(logProbability!)).toBeCloseTo(own[0]! * own[1]!, 6);
});

test('a number has no probability', async () => {
  const model = await open({ kind: 'folder', identity: 'x', path: tinyBert, labels: [], seed: 1, maxLength: 8 }, context);
  onTestFinished(async () => await model.close());
  expect(model.gives).toBe('number');
  expect((await ask(model, 'a film', { alternatives: 2 }))[0]).toMatchObject({
    text: expect.stringMatching(/^-?[\d.e-]+$/) as string,
    logProbability: null,
    alternatives: [],
  });
});

test('a base model answers nothing, a folder without a model neither', async () => {
  await expect(openReal(tinyBert)).rejects.toMatchObject({
    code: 'model-invalid',
    message: expect.stringContaining('without a head') as string,
  });
  const folder = join(createScratchFolder(), 'broken');
  cpSync(tinyBert, folder, { recursive: true });
  rmSync(join(folder, 'tokenizer.json'));
  await expect(openReal(folder)).rejects.toMatchObject({ code: 'model-invalid' });
  writeFileSync(join(folder, 'config.json'), readFileSync(join(folder, 'config.json'), 'utf8').replace('"bert"', '"gru"'));
  await expect(openReal(folder)).rejects.toMatchObject({ code: 'model-invalid' });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FailureData } from '../../../src/errors.ts';
import { startBackend, type BackendName } from '../../../src/trainer/backends/index.ts';
import { closeNetwork } from '../../../src/trainer/engine/network.ts';
import { readEndTokens } from '../../../src/trainer/end-tokens.ts';
import type { GenerateDelta, GenerateDone, GenerateRow } from '../../../src/trainer/generate-protocol.ts';
import { writeAnswers, type Writer } from '../../../src/trainer/language/answering.ts';
import { openLanguageModel } from '../../../src/trainer/language/model.ts';
import { chat } from '../../../src/trainer/tasks/language/chat.ts';
import { readTokenizer } from '../../../src/trainer/tokenizer.ts';
import { createScratchFolder } from '../../scratch.ts';
import { createLanguageFolder, readForward, tinyLlama } from './small-language.ts';

let writer: Writer;

async function openWriter(folder: string, backend: BackendName): Promise<Writer> {
  const network = openLanguageModel(await startBackend(backend), { folder, seed: 0, maxLength: 96 }, { task: chat });
  const tokenizer = readTokenizer(folder);
  const startGuide: Writer['startGuide'] = () => {
    throw new Error('no guide here');
  };
  return { network, tokenizer, maxLength: network.maxLength, ends: readEndTokens(folder, tokenizer), startGuide };
}

beforeAll(async () => {
  writer = await openWriter(tinyLlama, 'wasm');
});

afterAll(() => closeNetwork(writer.network));

/** A model that is drawn to nothing: many different words, and no end within 24 tokens. */
const row: GenerateRow = { id: 'a', text: 'user: Hi', maxTokens: 24, temperature: 1.2, topP: 1, topK: null, stop: [], seed: 5 };

interface Answer {
  readonly parts: GenerateDelta[];
  done?: GenerateDone;
  failure?: FailureData;
  text: string;
}

interface Given {
  readonly cancelled?: (id: string, answers: readonly Answer[]) => boolean;
  readonly writer?: Partial<Writer>;
}

/** All answers; each one ends once at most, and nothing follows. */
async function answer(rows: readonly GenerateRow[], { cancelled, ...given }: Given = {}): Promise<Answer[]> {
  const answers = rows.map((): Answer => ({ parts: [], text: '' }));
  const expectOpen = ({ done, failure }: Answer): void => expect([done, failure]).toEqual([undefined, undefined]);
  const requests = rows.map((one, i) => {
    const own = answers[i]!;
    return {
      row: one,
      reader: {
        write: (part: GenerateDelta): void => {
          expectOpen(own);
          own.parts.push(part);
          own.text += part.delta;
        },
        end: (done: GenerateDone): void => {
          expectOpen(own);
          own.done = done;
        },
        fail: (failure: FailureData): void => {
          expectOpen(own);
          own.failure = failure;
        },
        isCancelled: () => cancelled?.(one.id, answers) ?? false,
      },
    };
  });
  const used = { ...writer, ...given.writer };
  const before = used.network.tf.memory().numTensors;
  await writeAnswers(used, requests, async () => await Promise.resolve());
  expect(used.network.tf.memory().numTensors).toBe(before);
  return answers;
}

const answerOne = async (one: Partial<GenerateRow>, given: Given = {}): Promise<Answer> => (await answer([{ ...row, ...one }], given))[0]!;

test('an answer ends with its end token, or with the most tokens that were asked for', async () => {
  const { greedy, examples } = readForward();
  const text = examples[0]!.prompt;
  const whole = await answerOne({ text, temperature: 0, maxTokens: 12 });
  const [end] = writer.ends;
  const tokens = greedy.new_ids.indexOf(end!) + 1;
  expect(whole.done).toEqual({ reason: 'stop', promptTokens: greedy.prompt_ids.length, tokens });
  expect(whole.text).toBe(writer.tokenizer.decode(greedy.new_ids.slice(0, tokens), { isContinuation: true }));

  const long = await answerOne({});
  expect(long.done).toMatchObject({ reason: 'length', tokens: 24 });
  const short = await answerOne({ maxTokens: 6 });
  expect(short.done).toMatchObject({ reason: 'length', tokens: 6 });
  expect(long.text.startsWith(short.text)).toBe(true);
  expect(short.text.length).toBeGreaterThan(3);
});

test('the seed decides; each answer is what it is alone, also beside others', async () => {
  const rows = [3, 4, 5].map((seed): GenerateRow => ({ ...row, id: `${seed}`, seed, text: 'user: Hi '.repeat(seed) }));
  const together = await answer([...rows, { ...rows[0]!, id: 'again' }]);
  expect(together[3]!.text).toBe(together[0]!.text);
  for (const [i, one] of rows.entries()) expect(await answerOne(one)).toEqual(together[i]);
  expect((await answerOne({ ...rows[0]!, seed: 9 })).text).not.toBe(together[0]!.text);
});

test('the limits of the choice hold: one token is left, as without a temperature', async () => {
  const greedy = await answerOne({ temperature: 0, maxTokens: 12 });
  const free = await answerOne({ maxTokens: 12 });
  expect(free.text).not.toBe(greedy.text);
  expect((await answerOne({ topK: 1, maxTokens: 12 })).text).toBe(greedy.text);
  expect((await answerOne({ topP: 0, maxTokens: 12 })).text).toBe(greedy.text);
  expect((await answerOne({ topP: 0.3, topK: 3, maxTokens: 12 })).text).not.toBe(free.text);
});

test('an answer ends before each place where a stop text may stand; what follows is never told', async () => {
  const { text, parts } = await answerOne({});
  expect(parts.length).toBeGreaterThan(10);
  for (let start = 0; start + 5 <= text.length; start++) {
    const stop = text.slice(start, start + 5); // longer than most tokens
    const cut = await answerOne({ stop: ['never written', stop] });
    expect([cut.text, cut.done!.reason]).toEqual([text.slice(0, text.indexOf(stop)), 'stop']);
    expect(cut.done!.tokens).toBeLessThanOrEqual(24);
  }
});

test('of several stop texts the first one in the text ends the answer', async () => {
  const { text } = await answerOne({});
  const [early, late] = [text.slice(8, 12), text.slice(10, 16)];
  for (const stop of [
    [early, late],
    [late, early],
  ]) {
    expect((await answerOne({ stop })).text).toBe(text.slice(0, text.indexOf(early)));
  }
});

test('text that might begin a stop text is held back no longer than needed, and given at the end', async () => {
  const { text } = await answerOne({});
  const almost = [`${text.slice(4, 12)}\u0001`, `${text.slice(-3)}\u0001`];
  const held = await answerOne({ stop: almost });
  expect([held.text, held.done]).toEqual([text, { reason: 'length', promptTokens: held.done!.promptTokens, tokens: 24 }]);
  expect(held.parts.at(-1)!.delta.endsWith(text.slice(-3))).toBe(true);
  expect((await answerOne({ stop: [''] })).text).toBe(text); // an empty text stops nothing
});

test('log-probabilities are given with each token and change nothing', async () => {
  const [plain, full] = [await answerOne({ temperature: 0 }), await answerOne({ temperature: 0, logprobs: 3 })];
  expect(full.text).toBe(plain.text);
  const told = full.parts.filter(({ logprob }) => logprob !== undefined);
  expect(told.length).toBeGreaterThanOrEqual(full.done!.tokens - 1); // that of an end token is not told
  for (const { logprob, top } of told) {
    expect(top).toHaveLength(3);
    expect(logprob).toBe(top![0]!.logprob);
    expect(logprob).toBeLessThanOrEqual(0);
    expect(top!.map((one) => one.logprob).toSorted((a, b) => b - a)).toEqual(top!.map((one) => one.logprob));
  }
  expect((await answerOne({ logprobs: 0 })).parts[0]!.top).toEqual([]);
  expect(plain.parts[0]).toEqual({ delta: expect.any(String) as string });
});

test('a request that fails and one that is cancelled do not disturb the others', async () => {
  const alone = await answerOne({});
  const startGuide: Writer['startGuide'] = () => {
    throw new Error('no such schema');
  };
  const rows: GenerateRow[] = [
    { ...row, id: 'bad', schema: { type: 'nonsense' } },
    { ...row, id: 'too long', text: 'word '.repeat(200), isWhole: true },
    { ...row, id: 'cancelled', seed: 6 },
    { ...row, id: 'good' },
  ];
  const isCancelled = (id: string, answers: readonly Answer[]): boolean => id === 'cancelled' && answers[2]!.parts.length >= 3;
  const [bad, long, cancelled, good] = await answer(rows, { cancelled: isCancelled, writer: { startGuide } });
  expect(bad).toMatchObject({ parts: [], failure: { message: 'no such schema' } });
  expect(long).toMatchObject({ parts: [], failure: { code: 'data-invalid', message: expect.stringContaining('96 at most') as string } });
  expect(cancelled!.parts).toHaveLength(3);
  expect(cancelled!.done).toBeUndefined();
  expect(good).toEqual(alone);
});

test('a token that the model does not have is refused alone; an engine that fails ends the answers, and says why', async () => {
  const { tokenizer } = writer;
  const encodeSpans: Writer['tokenizer']['encodeSpans'] = (given, most) =>
    given.text === 'foreign' ? { ids: [1, 768], learned: [false, false], truncated: false } : tokenizer.encodeSpans(given, most);
  const [foreign, good] = await answer([{ ...row, text: 'foreign' }, row], { writer: { tokenizer: { ...tokenizer, encodeSpans } } });
  expect(foreign!.failure).toMatchObject({ code: 'model-invalid', message: expect.stringContaining('token 768') as string });
  expect(good!.done).toBeDefined();
  const predict: Writer['network']['ops']['predict'] = () => {
    throw new Error('Out of memory: a part of it');
  };
  const broken = { ...writer.network, ops: { ...writer.network.ops, predict } };
  expect(await answer([row, row], { writer: { network: broken } })).toMatchObject([
    { failure: { code: 'out-of-memory' } },
    { failure: { code: 'out-of-memory' } },
  ]);
});

test('where all requests fail nothing is computed', async () => {
  expect(await answer([{ ...row, text: 'word '.repeat(200), isWhole: true }])).toMatchObject([{ failure: { code: 'data-invalid' } }]);
  expect(await answer([])).toEqual([]);
});

test('a text without a token is refused, as there is nothing to go on from', async () => {
  const encodeSpans: Writer['tokenizer']['encodeSpans'] = () => ({ ids: [], learned: [], truncated: false }); // as of a tokenizer without <s>
  const [{ failure } = { failure: undefined }] = await answer([{ ...row, text: '' }], {
    writer: { tokenizer: { ...writer.tokenizer, encodeSpans } },
  });
  expect(failure).toMatchObject({ code: 'data-invalid', message: 'expected a text of at least one token, found none' });
});

test('of a long text the last part is read, so that there is room for an answer', async () => {
  const long = await answerOne({ text: 'word '.repeat(200), maxTokens: 20 });
  expect(long.done).toMatchObject({ promptTokens: 76 });
  const most = await answerOne({ text: 'word '.repeat(200), maxTokens: 1000 });
  expect(most.done!.promptTokens).toBe(48);
  expect(most.done!.tokens).toBeLessThanOrEqual(48);
});

test.each<BackendName>(['wasm', 'wasm-portable'])(
  'an answer goes on beside one that has all positions of the model, of a model with a table of positions: %s',
  async (backend) => {
    const gpt2 = await openWriter(createLanguageFolder('gpt2', createScratchFolder()), backend);
    expect(gpt2.maxLength).toBe(64);
    const rows: GenerateRow[] = [
      { ...row, id: 'long', text: 'many words of a text '.repeat(20), maxTokens: 8 },
      { ...row, id: 'short', maxTokens: 40 },
    ];
    const [long, short] = await answer(rows, { writer: gpt2 });
    expect(long!.done).toMatchObject({ promptTokens: 56, tokens: 8 });
    expect(short!.done).toMatchObject({ tokens: 40 });
    expect(short).toEqual(await answerOne(rows[1]!, { writer: gpt2 }));
    closeNetwork(gpt2.network);
  },
);

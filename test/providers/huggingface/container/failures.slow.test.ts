import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import expected from '../../../../fixtures/huggingface/expected.json' with { type: 'json' };
import { anyText } from '../any-text.ts';
import { startReplayer, type FoundFailure } from './replay.ts';

const replayer = startReplayer();
afterAll(async () => await replayer[Symbol.asyncDispose]());

/** The failure of an engine that printed these lines and ended with 0, or with another status. */
async function find(lines: readonly string[], end: 'hidden' | 'failed' = 'hidden'): Promise<FoundFailure | null> {
  return (await replayer.replay({ lines }))[end];
}

test('every recorded log has its expectation', () => {
  const folder = resolve('fixtures/huggingface');
  for (const name of readdirSync(folder).filter((name) => /\.(?:out|err|log)$/.test(name))) expect(expected).toHaveProperty([name]);
});

const loss = "{'loss': 1.5, 'epoch': 0.5}";

function trace(last: string, file = 'train.py'): string[] {
  return ['Traceback (most recent call last):', `  File "/x/${file}", line 1, in run`, '    go()', '    ^^^^', last];
}

test.each([
  ['torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.', 'out-of-memory', 'the memory of the GPU'],
  ['RuntimeError: CUDA error: out of memory', 'out-of-memory', 'the memory of the GPU'],
  [
    "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
    'out-of-memory',
    'of the machine',
  ],
  ['MemoryError', 'out-of-memory', 'of the machine'],
  ['numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9 GiB', 'out-of-memory', 'of the machine'],
  ['OSError: [Errno 28] No space left on device', 'disk-full', 'the disk'],
  ['huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: x)', 'model-invalid', 'gated'],
  ['OSError: You are trying to access a gated repo.', 'model-invalid', 'gated'],
  ['huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: x)', 'model-invalid', 'does not exist'],
  ['huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: x', 'credentials-invalid', 'token'],
  ['requests.exceptions.HTTPError: Invalid user token.', 'credentials-invalid', 'token'],
  ['huggingface_hub.errors.HfHubHTTPError: 503 Server Error: x', 'service-unavailable', 'the Hub'],
  ['huggingface_hub.errors.HfHubHTTPError: 402 Client Error: Payment Required', 'quota-exhausted', 'no credit'],
  [
    'ValueError: The checkpoint you are trying to load has model type `qwen9` but Transformers does not recognize this architecture.',
    'model-invalid',
    'too old',
  ],
  ['ValueError: Cannot use chat template functions because tokenizer.chat_template is not set', 'model-invalid', 'no chat template'],
  ["ValueError: Column to remove ['a'] not in the dataset. Current columns in the dataset: ['b']", 'data-invalid', 'no such column'],
  ['ValueError: Some specified arguments are not used by the HfArgumentParser: [a]', 'job-file-invalid', 'argument'],
  ["subprocess.CalledProcessError: Command '[x]' died with <Signals.SIGKILL: 9>.", 'out-of-memory', 'was killed'],
  ['ZeroDivisionError: division by zero', 'training-failed', 'ZeroDivisionError: division by zero'],
])('%s', async (last, code, words) => {
  expect(await find(['step 1', ...trace(last)])).toMatchObject({ code, message: expect.stringContaining(words) as string });
});

test('a column that pandas or datasets do not find', async () => {
  expect((await find(trace("KeyError: 'label'", 'base.py')))?.code).toBe('data-invalid');
  expect((await find(trace("KeyError: 'label'", 'other.py')))?.code).toBe('training-failed');
});

test('a shell that reports a killed process', async () => {
  expect((await find(['bash: line 1:   123 Killed                  conda run x']))?.message).toContain('was killed');
  expect((await find(['Killed']))?.message).toContain('was killed');
  expect(await find(['Killed it, five stars', 'INFO | x - Killing PID: 9218'], 'failed')).toBeNull();
});

test('a traceback after which the training went on is no failure, unless the status or the launcher says so', async () => {
  const lines = [...trace('ValueError: telemetry'), loss];
  expect(await find(lines)).toBeNull();
  expect((await find(lines, 'failed'))?.message).toContain('ValueError: telemetry');
  const launcher = trace("subprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.");
  expect((await find([...lines, ...launcher]))?.message).toContain('telemetry');
  expect((await find([loss, ...trace('ValueError: end')]))?.message).toContain('ValueError: end');
  expect(await find([loss, 'Exception ignored in: <function f>', ...trace('OSError: closed')], 'failed')).toBeNull();
});

test('of several processes the first one to fail says why', async () => {
  const lines = [...trace('torch.OutOfMemoryError: CUDA out of memory.'), ...trace('RuntimeError: NCCL')].map((line) => `[rank0]: ${line}`);
  expect((await find(lines))?.message).toContain('the memory of the GPU');
});

test('a cause that the last exception hides is the reason, the last exception is the message', async () => {
  const lines = [
    ...trace('huggingface_hub.errors.GatedRepoError: no'),
    '',
    'The above exception was the direct cause of the following exception:',
    '',
    ...trace('RuntimeError: cannot load'),
  ];
  expect(await find(lines)).toMatchObject({
    code: 'model-invalid',
    message: expect.stringContaining('RuntimeError: cannot load') as string,
  });
});

test('a message ends where another record begins, also a bar', async () => {
  const message = async (...more: string[]): Promise<string | undefined> => (await find([...trace('E.F: x'), '', 'y', ...more]))?.message;
  expect(await message('INFO     | z')).toBe('the training program failed: F: x y');
  expect(await message('Map: 100%|█| 4/4 [00:00<00:00, 9.00 examples/s]', 'z')).toBe('the training program failed: F: x y');
});

test('an exception that AutoTrain caught counts even without its traceback, and behind a bar', async () => {
  const record = 'ERROR    | t | autotrain.trainers.common:wrapper:215 - train has failed due to an exception: ';
  expect((await find([record, 'ERROR    | t | autotrain.trainers.common:wrapper:216 - too bad']))?.message).toContain('too bad');
  const behind = `\r 2%|█| 1/45 [00:00<00:06,  7.03it/s]${record}Traceback (most recent call last):`;
  expect((await find([behind, ...trace('ValueError: x').slice(1)]))?.message).toContain('ValueError: x');
});

test('a token does not get into the message, and a long message is cut', async () => {
  const token = `hf_${'a1B2'.repeat(8)}`;
  expect((await find(trace(`ValueError: bad ${token}!`)))?.message).toBe('the training program failed: ValueError: bad <token>!');
  expect((await find(trace(`ValueError: ${'x'.repeat(1e5)}`)))!.message.length).toBeLessThan(700);
});

test('any lines give a failure or none', async () => {
  const word = fc.constantFrom(
    'Traceback (most recent call last):',
    '  File "a", line 1, in b',
    'ValueError: x',
    'usage: x',
    'x: error: argument ',
    '\r',
    '',
    'a.b',
    loss,
  );
  expect.hasAssertions();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(anyText, word)), async (lines) => {
      for (const failure of [await find(lines), await find(lines, 'failed')]) expect(failure?.message).not.toBe('');
    }),
  );
});

// A reader that goes over a text again and again would not end before the test's time is up.
test.each(['Traceback (most recent call last):', '\u001B[', '\r', ' ', 'a.', '%|', 'hf_', loss])(
  'long lines and many lines of %j are read',
  { timeout: 15_000 },
  async (part) => {
    expect((await find([part.repeat(Math.ceil(1e6 / part.length))], 'failed'))?.message).not.toBe('');
    const many = Array.from({ length: 5000 }, () => part);
    expect((await find(many, 'failed'))?.message).not.toBe('');
  },
);

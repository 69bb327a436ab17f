import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findFailure } from '../../../providers/huggingface/find-failure.ts';
import { anyText } from './any-text.ts';
import { folder, readFixtureLines } from './read-fixture.ts';

const recorded = {
  'autotrain-failed-subcommand.err': ['job-file-invalid', 'user', "invalid choice: 'nosuch'"],
  'autotrain-failed-task.err': ['job-file-invalid', 'user', 'ValueError: Task `text-classificaton` is not supported'],
  'autotrain-failed-type.err': ['job-file-invalid', 'user', 'epochs Input should be a valid integer'],
  'autotrain-failed-key.err': ['job-file-invalid', 'user', "KeyError: 'valid_split'"],
  'autotrain-failed-chat-template.err': ['job-file-invalid', 'user', "KeyError: 'chat_template'"],
  'autotrain-failed-column.err': ['data-invalid', 'data', 'ValueError: nope not in train data'],
  'autotrain-failed-repository.out': ['request-refused', 'user', 'You already created this model repo'],
  'autotrain-failed-model.out': ['model-invalid', 'user', 'acme-bot/no-such-model is not a local folder'],
  'autotrain-failed-quantization.out': ['job-file-invalid', 'user', 'CUDA is required but not available for bitsandbytes'],
  'autotrain-failed-quantization-merged.log': ['job-file-invalid', 'user', 'CUDA is required but not available for bitsandbytes'],
  'autotrain-failed-split.log': ['data-invalid', 'data', 'Unknown split "valid". Should be one of'],
  'trl-failed-argument.err': ['job-file-invalid', 'user', 'unrecognized arguments: --no_such_flag'],
  'trl-failed-key.err': ['job-file-invalid', 'user', 'unrecognized arguments: --no_such_key'],
  'trl-failed-split.err': ['data-invalid', 'data', "KeyError: 'valid'"],
  'trl-failed-model.err': ['service-unreachable', 'provider', "We couldn't connect to 'https://huggingface.co'"],
} as const;

test.each(Object.entries(recorded))('%s failed', (name, [code, cause, words]) => {
  const failure = findFailure(readFixtureLines(name))!;
  expect(failure).toMatchObject({ code, cause });
  expect(failure.message).toContain(words);
  expect(failure.hint).toEqual(expect.any(String));
});

const logs = readdirSync(folder).filter((name) => /\.(?:out|err|log)$/.test(name));

test.each(logs.filter((name) => !(name in recorded)))('%s did not fail', (name) => {
  expect(findFailure(readFixtureLines(name))).toBeNull();
});

const loss = "{'loss': 1.5, 'epoch': 0.5}";

function trace(last: string, file = 'train.py', more: readonly string[] = []): string[] {
  return ['Traceback (most recent call last):', `  File "/x/${file}", line 1, in run`, '    go()', '    ^^^^', last, ...more];
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
  ['huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: x)', 'model-invalid', 'is not there'],
  ['huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: x', 'credentials-invalid', 'token'],
  ['requests.exceptions.HTTPError: Invalid user token.', 'credentials-invalid', 'token'],
  ['huggingface_hub.errors.HfHubHTTPError: 503 Server Error: x', 'service-unavailable', 'the Hub'],
  ['huggingface_hub.errors.HfHubHTTPError: 402 Client Error: Payment Required', 'quota-exhausted', 'nothing left'],
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
])('%s', (last, code, words) => {
  const failure = findFailure(['step 1', ...trace(last)])!;
  expect(failure.code).toBe(code);
  expect(failure.message).toContain(words);
});

test('a column that pandas or datasets do not find', () => {
  expect(findFailure(trace("KeyError: 'label'", 'base.py'))?.code).toBe('data-invalid');
  expect(findFailure(trace("KeyError: 'label'", 'other.py'))?.code).toBe('training-failed');
});

test('what the service says about the end', () => {
  expect(findFailure([], { isFailed: true, message: 'Job timeout' })).toMatchObject({ code: 'timeout', cause: 'timeout' });
  expect(findFailure([], { isFailed: false, message: 'Job timeout' })).toBeNull();
  expect(findFailure(['x'], { isFailed: true, message: 'exit code: 137' })?.message).toContain('was killed');
  expect(findFailure(['last word', '===== Job finished: status=ERROR ====='], { isFailed: true, message: null })?.message).toContain(
    'last word',
  );
  expect(findFailure([], { isFailed: true, message: null })?.code).toBe('training-failed');
  expect(findFailure([...trace('ValueError: telemetry'), loss], { isFailed: true, message: 'exit code: 137' })?.message).toContain(
    'was killed',
  );
  expect(findFailure(['last word'])).toBeNull();
});

test('a shell that tells of a killed process', () => {
  expect(findFailure(['bash: line 1:   123 Killed                  conda run x'])?.message).toContain('was killed');
  expect(findFailure(['Killed'])?.message).toContain('was killed');
  expect(findFailure(['Killed it, five stars', 'INFO | x - Killing PID: 9218'])).toBeNull();
});

test('a traceback after which the training went on is no failure, unless the service or the launcher says so', () => {
  const lines = [...trace('ValueError: telemetry'), loss];
  expect(findFailure(lines)).toBeNull();
  expect(findFailure(lines, { isFailed: true, message: null })?.message).toContain('ValueError: telemetry');
  expect(
    findFailure([...lines, ...trace("subprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.")])?.message,
  ).toContain('telemetry');
  expect(findFailure([loss, ...trace('ValueError: end')])?.message).toContain('ValueError: end');
  expect(findFailure([loss, 'Exception ignored in: <function f>', ...trace('OSError: closed')])).toBeNull();
});

test('of several processes the first one to fail says why', () => {
  const lines = [...trace('torch.OutOfMemoryError: CUDA out of memory.'), ...trace('RuntimeError: NCCL')].map((line) => `[rank0]: ${line}`);
  expect(findFailure(lines)?.message).toContain('the memory of the GPU');
});

test('a cause that the last exception hides is the reason, the last exception is the message', () => {
  const lines = [
    ...trace('huggingface_hub.errors.GatedRepoError: no'),
    '',
    'The above exception was the direct cause of the following exception:',
    '',
    ...trace('RuntimeError: cannot load'),
  ];
  expect(findFailure(lines)).toMatchObject({
    code: 'model-invalid',
    message: expect.stringContaining('RuntimeError: cannot load') as unknown,
  });
});

test('an exception that AutoTrain caught counts even without its traceback, and behind a bar', () => {
  const record = 'ERROR    | t | autotrain.trainers.common:wrapper:215 - train has failed due to an exception: ';
  expect(findFailure([record, 'ERROR    | t | autotrain.trainers.common:wrapper:216 - too bad'])?.message).toContain('too bad');
  expect(
    findFailure([`\r 2%|█| 1/45 [00:00<00:06,  7.03it/s]${record}Traceback (most recent call last):`, ...trace('ValueError: x').slice(1)])
      ?.message,
  ).toContain('ValueError: x');
});

test('a token does not get into the message, and a long message is cut', () => {
  const token = `hf_${'a1B2'.repeat(8)}`;
  expect(findFailure(trace(`ValueError: bad ${token}!`))?.message).toBe('the training program failed: ValueError: bad <token>!');
  expect(findFailure(trace(`ValueError: ${'x'.repeat(1e5)}`))!.message.length).toBeLessThan(700);
});

// A reader that goes over a text again and again would not end before the test's time is up.
test('any lines give a failure or nothing, and long ones too', { timeout: 15_000 }, () => {
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
  const line = fc.oneof(anyText, word);
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      expect(findFailure(lines, { isFailed: true, message: null })).not.toBeNull();
      findFailure(lines);
    }),
  );
  for (const part of ['Traceback (most recent call last):', '\u001B[', '\r', ' ', 'a.', '%|', 'hf_', "{'loss': 1, 'epoch': 1}"]) {
    findFailure([part.repeat(Math.ceil(1e6 / part.length))]);
    findFailure(Array.from({ length: 20_000 }, () => part));
  }
});

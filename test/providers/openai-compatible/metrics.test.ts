import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseResultFile } from '../../../providers/openai-compatible/metrics.ts';

const at = '2026-11-22T12:10:00.000Z';
const openai = 'step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,0.5,0.8,,\n2,1.805e-5,0.9,0.4,0.7\n';
const azure =
  'step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy\n' +
  '1,0.5,0.8,,,,\n2,1.805e-5,0.9,0.4,0.7,0.6,0.65\n';

const toShort = (text: string): string[] =>
  parseResultFile(text, at).map(({ step, split, name, coverage, value }) => `${step} ${split} ${name} ${coverage} ${value}`);

const both = [
  '1 train loss batch 0.5',
  '1 train mean_token_accuracy batch 0.8',
  '2 train loss batch 0.000018050',
  '2 train mean_token_accuracy batch 0.9',
  '2 validation loss batch 0.4',
  '2 validation mean_token_accuracy batch 0.7',
].map((line) => line.replace('0.000018050', '0.00001805'));
const full = ['2 validation loss full 0.6', '2 validation mean_token_accuracy full 0.65'];

test.each([
  ['OpenAI', openai, both],
  ['OpenAI in base64', Buffer.from(openai).toString('base64'), both],
  ['OpenAI in base64 with line ends', Buffer.from(openai).toString('base64').replaceAll(/.{20}/g, '$&\r\n'), both],
  ['Azure', azure, [...both, ...full]],
  ['Azure in base64', Buffer.from(azure).toString('base64'), [...both, ...full]],
  ['line ends of Windows, and a mark', `\uFEFF${openai.replaceAll('\n', '\r\n')}`, both],
  ['no line end at the end', openai.trimEnd(), both],
  ['quoted', openai.replaceAll(/[\w.-]+/g, '"$&"'), both],
  ['another order', 'train_loss,step\n0.5,1\n', ['1 train loss batch 0.5']],
  [
    'an unknown column',
    'step,reward_margin,eval_reward\n3,1.5,2\n',
    ['3 train x/reward_margin unreported 1.5', '3 validation x/eval_reward unreported 2'],
  ],
  ['no number', 'step,train_loss\n1,nan\n2,Infinity\n3,0x10\n4,-\n5,-0.5\n', ['5 train loss batch -0.5']],
  ['rows of another length', 'step,train_loss,valid_loss\n1,0.5\n2,0.4,0.3,0.2\n', ['1 train loss batch 0.5']],
  ['no step', 'train_loss,valid_loss\n1,2\n', []],
  ['a step that is none', 'step,train_loss\n-1,0.5\n1.5,0.5\n,0.5\n', []],
  ['a broken quote', 'step,train_loss\n1,0.5"x\n"2,0.5\n', []],
  ['nothing', '', []],
  ['an error as JSON', '{"error": {"message": "no, step 1"}}', []],
])('%s', (_, text, lines) => {
  expect(toShort(text)).toEqual(lines);
});

test('a metric says where it is from and when it was measured', () => {
  expect(parseResultFile(openai, at)[1]).toEqual({
    name: 'mean_token_accuracy',
    split: 'train',
    coverage: 'batch',
    step: 1,
    epoch: null,
    value: 0.8,
    source: 'result file train_accuracy',
    origin: 'result-file',
    at,
  });
});

test('no text makes it throw, or makes up a number', () => {
  const noisy = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc
      .array(fc.constantFrom('step', 'train_loss', ',', '"', '""', '\n', '\r\n', '1', '0.5', ' ', 'x'), { maxLength: 60 })
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(noisy, (text) => {
      for (const { value, step } of parseResultFile(text, at))
        expect([Number.isFinite(value), Number.isSafeInteger(step)]).toEqual([true, true]);
    }),
    { numRuns: 2000 },
  );
});

test('a long line of quotes is read in time', () => {
  expect(parseResultFile(`step,train_loss\n${'"a'.repeat(2_000_000)}`, at)).toEqual([]);
});

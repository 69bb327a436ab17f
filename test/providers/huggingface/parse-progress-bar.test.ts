import { expect, test } from 'vitest';
import { parseProgressBar } from '../../../providers/huggingface/parse-progress-bar.ts';

test.each([
  [' 12%|█▏        | 6/50 [00:01<00:09,  4.50it/s]', { step: 6, steps: 50, etaSeconds: 9 }],
  ['  0%|          | 0/45 [00:00<?, ?it/s]', { step: 0, steps: 45, etaSeconds: null }],
  ['100%|██████████| 45/45 [00:03<00:00, 11.85it/s]', { step: 45, steps: 45, etaSeconds: 0 }],
  [' 33%|███▎      | 1/3 [00:06<01:02:12,  6.40s/it]INFO     | x', { step: 1, steps: 3, etaSeconds: 3732 }],
])('%s', (text, bar) => {
  expect(parseProgressBar(text)).toEqual(bar);
});

test.each([
  'Map: 100%|██████████| 64/64 [00:00<00:00, 3994.46 examples/s]',
  'Loading weights:   0%|          | 0/47 [00:00<?, ?it/s]',
  'model.safetensors:   0%|          | 0.00/3.79M [00:00<?, ?B/s]',
  '100%|██████████| 64/64 [00:00<00:00, 3994.46 examples/s]',
  'Generating train split: 53 examples [00:00, 4351.62 examples/s]',
  '12% of 6/50',
  '',
])('%s counts no steps', (text) => {
  expect(parseProgressBar(text)).toBeNull();
});

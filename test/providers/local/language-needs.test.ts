import { expect, test } from 'vitest';
import { chooseLanguageMicroBatch } from '../../../providers/local/language-needs.ts';
import { mapControls } from '../../../providers/local/training-controls.ts';

type Request = Parameters<typeof chooseLanguageMicroBatch>[0];

/** GPT-2 as OpenAI made it, and a model that is a thousand times smaller. */
const gpt2 = { hiddenSize: 768, keyHeads: 12, headSize: 64, intermediateSize: 3072, layers: 12, heads: 12 };
const tiny = { hiddenSize: 64, keyHeads: 2, headSize: 16, intermediateSize: 172, layers: 5, heads: 4 };

function choose(config: object, characters: number, task: Request['task'] = 'chat'): number {
  const model = { folder: '/m', revision: '', labels: [], maxLength: 512, config };
  return chooseLanguageMicroBatch({ model, training: { batchSize: 16 }, task } as unknown as Request, characters);
}

test('a batch of a larger model is computed in equal parts that its memory is enough for', () => {
  expect(choose(tiny, 500)).toBe(16);
  expect(choose(gpt2, 20)).toBe(16);
  expect(choose(gpt2, 600)).toBe(3); // six parts: 3, 3, 3, 3, 3 and 1
  expect(choose(gpt2, 600, 'preference')).toBe(1);
  expect(choose({ ...gpt2, layers: 96 }, 2000)).toBe(1);
  expect(choose(tiny, 100_000)).toBe(choose(tiny, 1024)); // longer texts are cut
});

test('the rates of layers are those of classifiers', () => {
  const facts = { labels: [], train: {}, task: 'chat' } as unknown as Parameters<typeof mapControls>[1];
  expect(() => mapControls({ layerDecay: 0.9 }, facts, 'targets.a.options')).toThrow(
    'targets.a.options.layerDecay: expected a task of a classifier, found "chat"',
  );
});

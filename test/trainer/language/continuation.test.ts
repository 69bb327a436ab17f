import { expect, test } from 'vitest';
import { startBackend, type BackendName } from '../../../src/trainer/backends/index.ts';
import { buildCausalBatch } from '../../../src/trainer/engine/causal-batch.ts';
import { closeNetwork, computeAndFree } from '../../../src/trainer/engine/network.ts';
import { startContinuation } from '../../../src/trainer/language/continuation.ts';
import { computeStates, getOutput, openLanguageModel, type LanguageModel } from '../../../src/trainer/language/model.ts';
import { chat } from '../../../src/trainer/tasks/language/chat.ts';
import type { LearnedRow } from '../../../src/trainer/tasks/language/rows.ts';
import { createScratchFolder } from '../../scratch.ts';
import { createLanguageFolder, readForward, type LanguageFamily } from './small-language.ts';

type Model = LanguageModel<LearnedRow>;

async function open(family: LanguageFamily, backend: BackendName): Promise<Model> {
  const source = { folder: createLanguageFolder(family, createScratchFolder()), seed: 0, maxLength: 96 };
  return openLanguageModel(await startBackend(backend), source, { task: chat });
}

/** The logits of the next token of a text that is read at once, without anything that is kept. */
function computeWhole({ tf, ops, config, ...network }: Model, ids: readonly number[]): Float32Array {
  return computeAndFree(tf, () => {
    const batch = buildCausalBatch(tf, [{ ids }], { ...config, isCompact: ops.takesCompact });
    const states = computeStates({ tf, ops, config, ...network }, batch, null);
    const last = ops.pickRows(states, Int32Array.of(batch.starts[0]! + ids.length - 1));
    return ops
      .predict(last, getOutput({ config, ...network }).values)
      .dataSync<'float32'>()
      .slice();
  });
}

function toDifference(a: Float32Array, b: Float32Array): number {
  return a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) : NaN;
}

const texts = [[5, 17, 300, 8, 44, 9, 120], [71], [3, 3, 250, 90], [12, 399, 401, 28, 66, 2, 31]];
const added = [
  [7, 8, 9, 10],
  [400, 5, 6, 77],
  [11, 350, 13, 14],
];

const families: readonly LanguageFamily[] = ['llama', 'qwen2', 'qwen3', 'gpt2'];
const backends: readonly BackendName[] = ['wasm', 'wasm-portable'];

test.each(backends.flatMap((backend) => families.map((family) => [backend, family] as const)))(
  'what is kept gives the logits of whole texts, alone and together: %s, %s',
  async (backend, family) => {
    const model = await open(family, backend);
    for (const group of [texts, [texts[0]!, texts[3]!], [texts[1]!]]) {
      const grown = group.map((ids) => [...ids]);
      const before = model.tf.memory().numTensors;
      const continuation = startContinuation(model, group);
      const compare = (): void => {
        const differences = grown.map((ids, i) => toDifference(continuation.logits[i]!, computeWhole(model, ids)));
        expect(Math.max(...differences)).toBeLessThan(1e-4);
      };
      compare();
      for (const ids of added) {
        const own = ids.slice(0, group.length);
        continuation.append(own);
        for (const [i, id] of own.entries()) grown[i]!.push(id);
        compare();
      }
      continuation.close();
      expect(model.tf.memory().numTensors).toBe(before);
    }
    closeNetwork(model);
  },
);

test('the most probable tokens after a text are those that transformers gives, also beside a longer and a shorter text', async () => {
  const { greedy, batch } = readForward();
  const model = await open('llama', 'wasm');
  for (const beside of [[], [batch.input_ids[0]!, [1, 764]]]) {
    const continuation = startContinuation(model, [greedy.prompt_ids, ...beside]);
    const toBest = (): number[] => continuation.logits.map((logits) => logits.indexOf(Math.max(...logits)));
    const found: number[] = [];
    for (let best = toBest(); ; best = toBest()) {
      found.push(best[0]!);
      if (found.length === greedy.new_ids.length) break;
      continuation.append(best);
    }
    expect(found).toEqual(greedy.new_ids);
    continuation.close();
  }
  closeNetwork(model);
});

import type { ModelSizes } from '../../src/provider/provider.ts';
import { familyNames } from '../../src/trainer/model-folder.ts';
import { measured } from './needs.ts';

/** BERT models of the Hub of these sizes, by layers and numbers a position; none of them was downloaded from the live Hub. */
const examples: Readonly<Record<string, readonly string[]>> = {
  '3 x 384': ['hub:sentence-transformers/paraphrase-MiniLM-L3-v2'],
  '6 x 384': ['hub:sentence-transformers/all-MiniLM-L6-v2'],
  '12 x 384': ['hub:BAAI/bge-small-en-v1.5', 'hub:intfloat/e5-small-v2'],
};

/** The sizes that were measured, the smallest first. */
export function listSizes(): ModelSizes {
  const { machine, date, versions, models } = measured;
  return {
    measuredOn: `${machine}, ${date}, ${versions}`,
    kinds: familyNames,
    sizes: models.map(({ layers, hiddenSize, parameters, batch, rowsPerSecond, memoryBytes }) => {
      const size = `${layers} x ${hiddenSize}`;
      return { family: 'bert', size, parameters, rowsPerSecond, memoryBytes, batch, examples: examples[size] ?? [] };
    }),
  };
}

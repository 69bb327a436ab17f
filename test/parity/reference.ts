/** What the checks of a reference folder share: finding models, opening them as the reference did, rows of a stored batch. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { createParameter } from '../../src/trainer/engine/network.ts';
import { type OpenNetwork, openNetwork } from '../../src/trainer/tasks/classification/classifier.ts';
import type { EncodedRow } from '../../src/trainer/tasks/classification/rows.ts';
import { readTensors } from '../trainer/read-tensors.ts';

const fixtureModels = join(import.meta.dirname, '../../fixtures/models');

/** A padded batch as the reference stores it. */
export const BatchShape = z.object({
  input_ids: z.array(z.array(z.int().min(0)).min(1)).min(1),
  attention_mask: z.array(z.array(z.literal([0, 1]))),
  token_type_ids: z.array(z.array(z.int().min(0))).nullish(),
  /** Of each row the class, or 1 for each of its labels and 0 for the others. */
  labels: z.union([z.array(z.int().min(0)), z.array(z.array(z.literal([0, 1])))]).nullish(),
});
export type StoredBatch = z.infer<typeof BatchShape>;

/** The folder of a model that a reference file names; null where there is none. */
export function findModel(folder: string, name: string): string | null {
  const places = [
    join(folder, 'models', basename(name)),
    join(folder, '..', 'models', basename(name)),
    join(folder, name),
    join(fixtureModels, basename(name)),
  ];
  return places.find((place) => existsSync(join(place, 'config.json'))) ?? null;
}

interface Reference {
  readonly model: string;
  readonly head: string;
  readonly labels: readonly string[];
  readonly adapter?: string;
  readonly problem_type?: 'multi_label_classification' | undefined;
}

/** The model, which needs no tokenizer, with the reference's head in the place of its own one, and without dropout, as all reference numbers are computed. */
export function openReference(tf: TensorFlow, { model, head, labels, adapter, problem_type: problem }: Reference): OpenNetwork {
  const classifier = openNetwork(tf, {
    folder: model,
    labels,
    ...(problem === undefined ? {} : { isMultiLabel: true as const }),
    seed: 0,
    maxLength: 1_000_000,
    ...(adapter !== undefined && { adapter }),
  });
  const stored = adapter === undefined ? readTensors(head) : new Map<string, never>(); // an adapter has its own head
  for (const spec of classifier.specs.filter(({ name }) => stored.has(name))) {
    const { shape, data } = stored.get(spec.name)!;
    if (!data || shape.join() !== spec.shape.join())
      throw new Failure('data-invalid', `${head}: ${spec.name}: expected [${spec.shape.join()}], found [${shape.join()}]`);
    classifier.parameters.get(spec.name)?.dispose();
    classifier.parameters.set(spec.name, tf.keep(createParameter(tf, spec, data)));
  }
  return { ...classifier, config: { ...classifier.config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
}

/** The rows of a stored batch without their padding, which must be on the right. */
export function toRows(batch: StoredBatch): EncodedRow[] {
  return batch.input_ids.map((ids, i) => {
    const length = batch.attention_mask[i]!.reduce<number>((sum, one) => sum + one, 0);
    const typeIds = batch.token_type_ids?.[i]?.slice(0, length) ?? new Array<number>(length).fill(0);
    const label = batch.labels?.[i] ?? 0;
    return { ids: ids.slice(0, length), typeIds, ...(typeof label === 'number' ? { label } : { label: 0, targets: label }) };
  });
}

/** The largest difference between numbers; infinite where the counts differ. */
export function toLargestDifference(found: Iterable<number>, expected: Iterable<number>): number {
  const [a, b] = [[...found], [...expected]];
  if (a.length !== b.length) return Infinity;
  return a.reduce((most, value, i) => (Number.isNaN(value) ? NaN : Math.max(most, Math.abs(value - b[i]!))), 0);
}

export function toNorm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

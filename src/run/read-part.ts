import type { DataFacts } from '../dataset/inspect.ts';
import type { ClassificationColumns, ClassificationRow } from '../dataset/map-row.ts';
import { readClassificationRows } from '../dataset/rows.ts';
import { isValidationRow } from '../dataset/split.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { findSource } from './data-store.ts';

/** The rows of one part of a run's data, mapped and split, from the files as they were kept. */
export async function* readPart(
  dir: string,
  { facts, spec }: { readonly facts: DataFacts; readonly spec: RunSpec },
  part: 'train' | 'validation' | { readonly test: string },
): AsyncGenerator<ClassificationRow> {
  const rule = spec.data.validation;
  const fraction = rule !== null && 'fraction' in rule ? rule.fraction : null;
  const isSplit = fraction !== null && typeof part === 'string';
  const facts_ = typeof part === 'object' ? facts.test[part.test] : part === 'train' || isSplit ? facts.train : facts.validation;
  const paths = await Promise.all((facts_?.sources ?? []).map((source) => findSource(dir, source)));
  for await (const row of readClassificationRows(paths, spec.data.columns as unknown as ClassificationColumns)) {
    if (!isSplit || isValidationRow(row, fraction) === (part === 'validation')) yield row;
  }
}

import type { DataFacts } from '../dataset/inspect.ts';
import { parseRowTask, type Row } from '../dataset/row.ts';
import { isValidationRow } from '../dataset/split.ts';
import { readTaskRows } from '../dataset/task-rows.ts';
import type { RunSpec } from '../job/run-spec.ts';
import { findSource } from './data-store.ts';

/** The rows of one part of a run's data, mapped and split, from the files as they were kept. */
export async function* readPart(
  dir: string,
  { facts, spec }: { readonly facts: DataFacts; readonly spec: RunSpec },
  part: 'train' | 'validation' | { readonly test: string },
): AsyncGenerator<Row> {
  const rule = spec.data.validation;
  const fraction = rule !== null && 'fraction' in rule ? rule.fraction : null;
  const isSplit = fraction !== null && typeof part === 'string';
  const facts_ = typeof part === 'object' ? facts.test[part.test] : part === 'train' || isSplit ? facts.train : facts.validation;
  const paths = await Promise.all((facts_?.sources ?? []).map((source) => findSource(dir, source)));
  for await (const row of readTaskRows(paths, { task: parseRowTask(spec.task), columns: spec.data.columns })) {
    if (!isSplit || isValidationRow(row, fraction) === (part === 'validation')) yield row;
  }
}

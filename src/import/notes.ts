import type { ImportNote } from './imported-job.ts';
import { maskSecrets } from './mask-secrets.ts';
import { isFields, toPathText, toValue, type Source, type SourcePath } from './source.ts';

/** The field says the same under our name. */
export function carry(source: Source, path: SourcePath, field: string): void {
  if (toValue(source, path) !== undefined) source.drafts.push({ kind: 'carried', path, field, text: null });
}

interface Reason {
  /** Of the job. */
  readonly field: string | null;
  readonly text: string;
}

/** The field says the same in another way. */
export function convert(source: Source, path: SourcePath, { field, text }: Reason): void {
  if (toValue(source, path) !== undefined) source.drafts.push({ kind: 'converted', path, field, text });
}

/** The field has no equal. What nobody carries, converts or leaves is left in the end, with a reason from the parser's list. */
export function leave(source: Source, path: SourcePath, text: string): void {
  if (toValue(source, path) !== undefined) source.drafts.push({ kind: 'unmatched', path, field: null, text });
}

/** The source does not name it, and its program would have used `value`. */
export function assume(source: Source, path: SourcePath, { field, text, value }: Reason & { readonly value: unknown }): void {
  source.drafts.push({ kind: 'absent', path, field, text, value });
}

const nullText = 'nothing is set';

/** Why a field that nobody spoke of has no equal in a job. */
export type Reasons = (path: string, value: unknown) => string;

/**
 * One or more notes for every field of the source, in the source's order, then what is absent. An object without a note inside is
 * one field.
 */
export function toNotes(source: Source, toReason: Reasons): ImportNote[] {
  const notes: ImportNote[] = [];
  const byPath = Map.groupBy(
    source.drafts.filter((draft) => draft.kind !== 'absent'),
    ({ path }) => JSON.stringify(path),
  );
  const holders = new Set(
    [...source.drafts.map(({ path }) => path), ...source.holders].flatMap((path) =>
      path.map((_, length) => JSON.stringify(path.slice(0, length))),
    ),
  );
  const visit = (value: unknown, path: SourcePath): void => {
    const name = path.at(-1) ?? '';
    const drafts = byPath.get(JSON.stringify(path)) ?? [];
    for (const { kind, field, text } of drafts) {
      notes.push({ kind, path: toPathText(path), field, value: maskSecrets(value, name), text });
    }
    const isHolder = path.length === 0 || holders.has(JSON.stringify(path));
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (isHolder && !isEmpty && (isFields(value) || Array.isArray(value))) {
      for (const [key, item] of Object.entries(value)) {
        if (drafts.length === 0 || holders.has(JSON.stringify([...path, key])) || byPath.has(JSON.stringify([...path, key]))) {
          visit(item, [...path, key]);
        }
      }
    } else if (drafts.length === 0 && path.length > 0) {
      const text = value === null || (isHolder && isEmpty) ? nullText : toReason(path.join('.'), value);
      notes.push({ kind: 'unmatched', path: toPathText(path), field: null, value: maskSecrets(value, name), text });
    }
  };
  visit(source.fields, []);
  const absent = source.drafts.filter((draft) => draft.kind === 'absent');
  return [
    ...notes,
    ...absent.map(({ path, field, value, text }) => ({ kind: 'absent' as const, path: toPathText(path), field, value, text })),
  ];
}

import { Failure } from '../errors.ts';
import type { Candidate } from './compare.ts';

/** What may be the reference of a comparison. */
export interface Choice {
  /** Those that have answered, and those that are left out. */
  readonly known: readonly Pick<Candidate, 'name' | 'kind'>[];
  /** The names of the job's references. */
  readonly references: readonly string[];
  /** Who is to be the reference, as a person says it; absent: the job's reference where it has just one, else the best without training. */
  readonly wanted?: string | undefined;
}

/**
 * The names of which the best is the reference that tuned models are held against: a reference of the job, `base` (a model before
 * training), `majority`, or a name of the table.
 * @throws Failure `usage` where nothing is called so
 */
export function chooseReference({ known, references, wanted }: Choice): string[] {
  const ofKinds = (...kinds: readonly Candidate['kind'][]): string[] =>
    known.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
  if (wanted === undefined) return references.length === 1 ? [...references] : ofKinds('majority', 'untrained');
  const bare = wanted.replace(/ \(reference\)$/, ''); // the table calls them so
  const own = references.find((name) => name === bare || name === `${bare} (reference)`);
  if (own !== undefined) return [own];
  const found = wanted === 'base' ? ofKinds('untrained') : wanted === 'majority' ? ofKinds('majority') : toNamed(known, wanted);
  if (found.length > 0) return found;
  const names = new Set([...references, ...known.map(({ name }) => name), ...(ofKinds('untrained').length > 0 ? ['base'] : [])]);
  throw new Failure('usage', `--reference: nothing is called "${wanted}"`, {
    hint: `there is ${[...names].map((name) => `"${name}"`).join(', ')}; a file of answers is named by its path`,
  });
}

/** The table calls tuned models so. */
function toNamed(known: Choice['known'], wanted: string): string[] {
  return known.filter(({ name, kind }) => name === wanted || (kind === 'tuned' && `${name} (tuned)` === wanted)).map(({ name }) => name);
}

/** Rows that cannot be used, gathered by cause. */
import { Failure } from '../errors.ts';
import type { Place } from './row-events.ts';

const shownKinds = 20;
/** Of a problem that more rows have, the first is shown with the lines of some others. */
const shownAlike = 3;

/** Rows that cannot be used for the same cause. */
export interface BadRowKind {
  /** Of the first of them. */
  readonly failures: readonly Failure[];
  readonly places: readonly Place[];
  readonly rows: number;
}

export interface BadRows {
  add(failure: Failure, place: Place): void;
  list(): readonly BadRowKind[];
  /** @throws Failure `data-invalid` that lists the failures, if there are any. */
  check(): void;
}

/** Gathers failures of single rows, so that a person sees all of them at once, and those of the same cause once. */
export function createBadRows(): BadRows {
  const kinds = new Map<string, { readonly failures: Failure[]; readonly places: Place[]; rows: number }>();
  let count = 0;
  return {
    add(failure, place) {
      count++;
      const cause = `${place.source} ${toCause(failure)}`;
      const kind = kinds.get(cause);
      if (kind === undefined) {
        if (kinds.size < shownKinds) kinds.set(cause, { failures: [failure], places: [place], rows: 1 });
        return;
      }
      kind.rows++;
      if (kind.failures.length > shownAlike) return;
      kind.failures.push(failure);
      kind.places.push(place);
    },
    list: () => [...kinds.values()],
    check() {
      const all = [...kinds.values()];
      const failures = all.flatMap((kind) => kind.failures);
      const [first] = failures;
      if (first === undefined) return;
      if (count === 1) throw first;
      const isSame = (field: 'hint' | 'finding'): boolean => failures.every((failure) => failure[field] === first[field]);
      const details = {
        ...(first.hint !== null && isSame('hint') ? { hint: first.hint } : {}),
        ...(first.finding !== null && isSame('finding') ? { finding: first.finding } : {}),
      };
      const shown = all.flatMap(listAlike);
      if (shown.length === 1) throw new Failure('data-invalid', shown[0]!, details);
      const rest = count - all.reduce((sum, { rows }) => sum + rows, 0);
      const lines = [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].map((line) => `  ${line}`);
      throw new Failure('data-invalid', `${count} rows cannot be used:\n${lines.join('\n')}`, details);
    },
  };
}

/** What failures of one cause have in common: the code, and what was expected; not the place, and not what was found. */
function toCause({ message, finding }: Failure): string {
  const expected = message
    .replace(/:\d+(:\d+)?/, '')
    .replace(/, (?:found|in) .*$/s, '')
    .replace(/\[\d+\]/g, '[]');
  return finding === 'json-invalid' ? finding : `${finding ?? ''} ${expected}`;
}

/** Each of a few failures, or the first of many with the lines of the next ones. */
function listAlike({ failures, places, rows }: BadRowKind): string[] {
  const messages = failures.map(({ message }) => message);
  if (rows <= shownAlike) return messages;
  const lines = places.slice(1).map(({ line }) => line);
  return [`${messages[0]!} (and ${rows - 1} more rows like it: lines ${lines.join(', ')}${rows - 1 > lines.length ? ', …' : ''})`];
}

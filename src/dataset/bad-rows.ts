import { Failure } from '../errors.ts';

const shownRows = 20;

export interface BadRows {
  add(failure: Failure): void;
  /** @throws Failure `data-invalid` that lists what was added, if anything was. */
  check(): void;
}

/** Gathers what is wrong with single rows, so that a person sees all of it at once and not the first only. */
export function createBadRows(): BadRows {
  const shown: Failure[] = [];
  let count = 0;
  return {
    add(failure) {
      count++;
      if (shown.length < shownRows) shown.push(failure);
    },
    check() {
      const [first] = shown;
      if (first === undefined) return;
      if (count === 1) throw first;
      const lines = shown.map((failure) => `  ${failure.message}`);
      if (count > shown.length) lines.push(`  and ${count - shown.length} more`);
      const hint = first.hint !== null && shown.every((failure) => failure.hint === first.hint) ? { hint: first.hint } : {};
      throw new Failure('data-invalid', `${count} rows cannot be used:\n${lines.join('\n')}`, hint);
    },
  };
}

/** One row as it stands in the file; `line` is the line on which it begins, counted from 1. */
export interface RawRow {
  readonly line: number;
  readonly row: Readonly<Record<string, unknown>>;
}

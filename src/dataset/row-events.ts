/** What readers of rows tell beside the rows. */
import { isFailure, type Failure } from '../errors.ts';
import type { FindingCode, ReadNote } from './findings.ts';

export interface Place {
  readonly source: string;
  readonly line: number;
}

export interface RowEvents {
  /** Receives each row that cannot be read, and reading goes on after it, where it returns. */
  readonly onBadRow: (failure: Failure, place: Place) => void;
  readonly onNote: (note: ReadNote) => void;
  /** Whether rows of JSON keep their text: who writes them again wants to know of all that is left out. */
  readonly withText?: boolean | undefined;
}

/** What `parse` returns, or null after `onBadRow` has received the Failure that it threw. */
export function tryParse<T>(parse: () => T, onBadRow: RowEvents['onBadRow'], place: Place): T | null {
  try {
    return parse();
  } catch (error) {
    if (!isFailure(error)) throw error;
    onBadRow(error, place);
    return null;
  }
}

export type NoteOnce = (code: FindingCode, line: number | null, message: string) => void;

/** Notes of a file, each code once: at its first line. */
export function createNoteOnce(onNote: RowEvents['onNote'], source: string): NoteOnce {
  const known = new Set<FindingCode>();
  return (code, line, message) => {
    if (known.has(code)) return;
    known.add(code);
    onNote({ code, source, line, message });
  };
}

/** What is said about rows that are nearly equal. */
import { basename } from 'node:path';
import { mostNearRows, type NearFound, type NearRows } from './near.ts';
import type { Meeting } from './tally.ts';

/** `part` is `train`, `validation` or `test/<name>`. */
export interface NearWarning {
  readonly type: 'near-rows';
  readonly part: string;
  readonly code: 'rows-near' | 'rows-leaked-alike' | 'rows-leaked-near' | 'near-off';
  readonly rows: number;
  readonly example?: Meeting;
  readonly lines: readonly number[];
}

const codes: Readonly<Record<keyof NearFound, NearWarning['code']>> = {
  leakedFolded: 'rows-leaked-alike',
  leakedNear: 'rows-leaked-near',
  near: 'rows-near',
};

export function findNearWarnings(near: NearRows): NearWarning[] {
  const found = near.find();
  if (found === null) return [{ type: 'near-rows', part: 'train', code: 'near-off', rows: mostNearRows, lines: [] }];
  return [...found].flatMap(([part, counts]) =>
    (Object.keys(codes) as (keyof NearFound)[])
      .filter((kind) => counts[kind].rows > 0)
      .map((kind): NearWarning => ({ type: 'near-rows', part, code: codes[kind], ...counts[kind] })),
  );
}

/** @param where names the part */
export function formatNearWarning({ code, rows, example }: NearWarning, where: string): string {
  if (code === 'near-off') return `nearly equal rows were not looked for: there are more than ${rows} rows`;
  const place = example === undefined ? '' : ` (${rows === 1 ? '' : 'first '}${formatPlace(example)})`;
  const subject = `${rows} ${rows === 1 ? 'row' : 'rows'} of the ${where} ${rows === 1 ? 'has' : 'have'}`;
  if (code === 'rows-near') return `${subject} nearly the input of an earlier row${place}`;
  const what =
    code === 'rows-leaked-near'
      ? 'nearly the input of a training row'
      : 'the input of a training row but for case, white space or punctuation';
  return `${subject} ${what}: the scores will be too high${place}`;
}

function formatPlace({ source, line, otherSource, otherLine }: Meeting): string {
  if (otherSource === undefined) return `line ${line} against line ${otherLine}`;
  return `${basename(source)}:${line} against ${basename(otherSource)}:${otherLine}`;
}

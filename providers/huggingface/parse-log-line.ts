import { parseProgressBar, type ProgressBar } from './parse-progress-bar.ts';
import { parsePythonDict, type DictEntry } from './parse-python-dict.ts';

/** What a line of a training's log says that matters here, in the order in which it stands there. */
export type LogFact =
  | ({ readonly type: 'bar' } & ProgressBar)
  /** A dict of measures. `isAutoTrains`: with AutoTrain's prefix, and so with unrounded numbers. */
  | { readonly type: 'measures'; readonly entries: readonly DictEntry[]; readonly isAutoTrains: boolean }
  /** How many epochs AutoTrain was told to train. */
  | { readonly type: 'epochs'; readonly epochs: number };

/**
 * Reads one line of what AutoTrain or transformers print. Where the two streams of a process became one, bars, log records and dicts share a
 * line, parted by carriage returns and by the sequence that moves the cursor up.
 */
export function parseLogLine(line: string): LogFact[] {
  return line.split(/[\r\n]|\u001B\[A/).flatMap(parsePiece);
}

function parsePiece(piece: string): LogFact[] {
  const bar = parseProgressBar(piece);
  const facts: LogFact[] = bar === null ? [] : [{ type: 'bar', ...bar }];
  for (let at = piece.indexOf('{'); at !== -1; at = piece.indexOf('{', at + 1)) {
    const next = piece[at + 1];
    const entries = next === "'" || next === '"' ? parsePythonDict(piece, at) : null;
    const fact = entries === null ? null : toFact(entries, piece.slice(Math.max(0, at - 80), at));
    if (fact !== null) facts.push(fact);
  }
  return facts;
}

const autoTrainsPrefix = /\|\s*autotrain\.trainers\.common:on_log:\d+ - $/;
const measureName = /^(?:loss|learning_rate|grad_norm|(?:eval|train)_.+)$/;

function toFact(entries: readonly DictEntry[], before: string): LogFact | null {
  const valueOf = (name: string): number | null => entries.find((entry) => entry.name === name)?.value ?? null;
  const epochs = valueOf('epochs');
  if (epochs !== null && epochs > 0 && Number.isFinite(epochs) && valueOf('batch_size') !== null) return { type: 'epochs', epochs };
  const isPlaced = valueOf('epoch') !== null || entries.some(({ name }) => name.endsWith('_runtime'));
  const isMeasured = entries.some(({ name, value }) => value !== null && measureName.test(name));
  return isPlaced && isMeasured ? { type: 'measures', entries, isAutoTrains: autoTrainsPrefix.test(before) } : null;
}

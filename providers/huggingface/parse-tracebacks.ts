/** An exception that Python printed. */
export interface PythonException {
  /** Its class without the module. */
  readonly type: string;
  /** Its message, some lines of it. */
  readonly message: string;
  /** `file.py:function` of the place that raised it, without the folder; null where it is not told. */
  readonly location: string | null;
}

/** One traceback, or several that led to each other: the last exception is the one that ended the program. */
export interface Traceback {
  readonly exceptions: readonly PythonException[];
  /** The lines of its heading and of its last exception, from 0. */
  readonly line: number;
  readonly lastLine: number;
  /** Whether Python printed it and went on, as it does at the end of a program. */
  readonly isIgnored: boolean;
}

const heading = /Traceback \(most recent call last\)/;
const link = /^(?:The above exception was the direct cause of the following exception:|During handling of the above exception, another)/;
// A class's name begins with a capital, or it is told with its module.
const raised = /^((?:[A-Za-z_]\w*\.)*[A-Z]\w*|(?:[A-Za-z_]\w*\.)+\w+)(?:: ?(.*))?$/;
const frame = /^[\s|]*File "([^"]*)", line \d+(?:, in (.+))?$/;
/** Lines that belong to no exception: log records, headings, markers, a launcher's last words, bars. */
const otherRecord =
  /^(?:[A-Z]{4,8}\s*\||(?:INFO|WARNING|ERROR|DEBUG|CRITICAL):|Traceback \(|=====|@@|ERROR conda|\[rank\d|Exception ignored|[^%]{0,200}%\|)/;

const mostFrames = 2000;
const mostMessageLines = 8;

/** All tracebacks of a log, in order. `lines` are cleaned: no carriage returns, no colours. */
export function parseTracebacks(lines: readonly string[]): Traceback[] {
  const found: Traceback[] = [];
  let linkedAt: number | null = null;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]!;
    if (link.test(line)) linkedAt = at;
    if (!heading.test(line)) continue;
    const read = readException(lines, at);
    if (read === null) continue;
    const before = found.at(-1);
    const isIgnored = line.startsWith('Exception ignored') || (lines[at - 1] ?? '').startsWith('Exception ignored');
    if (before !== undefined && linkedAt !== null && linkedAt > before.line)
      found[found.length - 1] = { ...before, exceptions: [...before.exceptions, read.exception], lastLine: read.end };
    else found.push({ exceptions: [read.exception], line: at, lastLine: read.end, isIgnored });
    linkedAt = null;
    at = read.end;
  }
  return found;
}

/** The exception below the heading at `from`, and its last line. */
function readException(lines: readonly string[], from: number): { exception: PythonException; end: number } | null {
  let location: string | null = null;
  for (let at = from + 1; at < lines.length && at <= from + mostFrames; at += 1) {
    const line = lines[at]!;
    if (heading.test(line)) return null;
    const inFrame = frame.exec(line);
    if (inFrame !== null) location = `${inFrame[1]!.split(/[\\/]/).at(-1)!}:${inFrame[2] ?? ''}`;
    const found = /^\s/.test(line) || otherRecord.test(line) ? null : raised.exec(line);
    if (found === null) continue;
    const { rest, end } = readRest(lines, at);
    return { exception: { type: found[1]!.split('.').at(-1)!, message: [found[2] ?? '', ...rest].join('\n').trim(), location }, end };
  }
  return null;
}

/** The further lines of a message. A message of the Hub is parted by empty lines, so these do not end it. */
function readRest(lines: readonly string[], from: number): { rest: string[]; end: number } {
  const rest: string[] = [];
  let end = from;
  for (let at = from + 1; at < lines.length && rest.length < mostMessageLines; at += 1) {
    const line = lines[at]!;
    if (link.test(line) || heading.test(line) || otherRecord.test(line)) break;
    if (line.trim() === '') continue;
    rest.push(line.trim());
    end = at;
  }
  return { rest, end };
}

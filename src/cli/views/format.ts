import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import stringWidth from 'string-width';

/** Numbers and times as a person reads them. */

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `12 s`, `3 min 05 s`, `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** How long ago, in one word: `8s`, `5m`, `3h`, `2d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** A time (ISO 8601) in the time zone of this machine: `2026-11-29T15:04:05+01:00`; in UTC with `Z`. `--utc` and TZ choose the zone. */
export function formatTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const minutes = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  if (minutes === 0) return `${local}Z`;
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((number) => String(number).padStart(2, '0'));
  return `${local}${minutes < 0 ? '-' : '+'}${hours}:${rest}`;
}

/** A text in a colour, where standard output is a terminal that shows colours and NO_COLOR is not set. Already escaped. */
export function paint(colour: 'green' | 'red' | 'yellow', text: string): string {
  return styleText(colour, text);
}

/** Where an output lies: a path from the current folder where it is below that, else the whole of it. */
export function formatLocation(uri: string): string {
  if (!uri.startsWith('file:')) return uri;
  const path = fileURLToPath(uri);
  const near = relative('', path);
  return near === '' || near.startsWith('..') ? path : near;
}

export interface TableLayout {
  /** Columns that are aligned to the right. */
  readonly right?: readonly number[];
  /** A wider table loses columns, the least important first, and then the ends of its longest texts. */
  readonly width?: number;
  /** Columns from the most important one on; those that are not named follow from left to right. */
  readonly importance?: readonly number[];
}

const gap = '  ';

/** Columns of equal width, the first row being the header. A last line names the columns that found no place. */
export function formatTable(rows: readonly (readonly string[])[], layout: TableLayout = {}): string {
  const { right = [], width = Infinity, importance = [] } = layout;
  const header = rows[0]!;
  const widths = header.map((_, column) => Math.max(...rows.map((row) => measure(row[column]!))));
  const kept = chooseColumns(widths, width, importance);
  const left = header.filter((_, column) => !kept.includes(column));
  const fitted = fitWidths(
    kept.map((column) => widths[column]!),
    width,
  );
  const formatCell = (cell: string, i: number): string => {
    const text = cut(cell, fitted[i]!);
    const space = ' '.repeat(fitted[i]! - measure(text));
    return right.includes(kept[i]!) ? space + text : text + space;
  };
  const lines = rows.map((row) =>
    kept
      .map((column, i) => formatCell(row[column]!, i))
      .join(gap)
      .trimEnd(),
  );
  return [...lines, ...(left.length === 0 ? [] : [`(too narrow for: ${left.join(', ')})`])].join('\n');
}

/** How many columns of a terminal a text takes, whatever its script. */
function measure(text: string): number {
  return /^[\u0020-\u007e]*$/.test(text) ? text.length : stringWidth(text);
}

function sumWidths(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));
}

/** The columns that fit, in their order; the most important one in any case. */
function chooseColumns(widths: readonly number[], width: number, importance: readonly number[]): number[] {
  const all = [...new Set([...importance, ...widths.keys()])];
  for (let count = all.length; count > 1; count--) {
    const kept = all.slice(0, count).sort((a, b) => a - b);
    if (sumWidths(kept.map((column) => widths[column]!)) <= width) return kept;
    if (count === minColumns) return kept;
  }
  return all.slice(0, 1);
}

/** With fewer columns a table says too little: its texts are cut instead. */
const minColumns = 3;
const minCell = 8;

/** Takes from the widest column what is too much. */
function fitWidths(widths: readonly number[], width: number): number[] {
  const fitted = [...widths];
  while (sumWidths(fitted) > width) {
    const widest = fitted.indexOf(Math.max(...fitted));
    if (fitted[widest]! <= minCell) break;
    fitted[widest]!--;
  }
  return fitted;
}

function cut(text: string, width: number): string {
  if (measure(text) <= width) return text;
  let short = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (measure(short + segment) >= width) break;
    short += segment;
  }
  return `${short}…`;
}

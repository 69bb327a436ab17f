import { toMedian } from './interleave.ts';

/** A table of Markdown; the first row is its head. */
export function toTable([head, ...rows]: readonly (readonly string[])[]): string {
  const toLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [toLine(head!), toLine(head!.map(() => '---')), ...rows.map(toLine)].join('\n');
}

/** `36 (33 to 41)`: the median, the least and the most. */
export function toSpread(numbers: readonly number[]): string {
  return `${toShort(toMedian(numbers))} (${toShort(Math.min(...numbers))} to ${toShort(Math.max(...numbers))})`;
}

/** Of two medians, two decimals. */
export function toRatio(numbers: readonly number[], base: readonly number[]): string {
  return (toMedian(numbers) / toMedian(base)).toFixed(2);
}

/** Three digits at least. */
function toShort(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

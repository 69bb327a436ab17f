import { parseProgressBar } from './parse-progress-bar.ts';

/**
 * What of a line is worth keeping in a run's log: without the bars that a terminal would have painted over, and without what moves its cursor.
 * Empty where nothing is left.
 */
export function toShownLine(text: string): string {
  return text
    .split(/[\r\n]|\u001B\[[\d;]{0,20}[A-Za-z]/)
    .map(withoutBar)
    .filter((piece) => piece.trim() !== '')
    .join(' ');
}

function withoutBar(piece: string): string {
  const bar = parseProgressBar(piece);
  return bar === null ? piece : piece.slice(piece.indexOf(']') + 1);
}

/** A bar of tqdm that counts steps. */
export interface ProgressBar {
  readonly step: number;
  readonly steps: number;
  readonly etaSeconds: number | null;
}

// ` 12%|█▏  | 6/50 [00:01<00:09,  4.50it/s]`. A bar with words before the percentage counts something else: files, rows, shards.
const bar = /^\s*\d{1,3}%\|[^|]*\|\s*(\d{1,12})\/(\d{1,12}) \[[\d:]{1,20}<([\d:?]{1,20}),\s*[\d.?]{1,20}(?:it\/s|s\/it)/;

/** The bar at the beginning of a piece of a line between two carriage returns; null where there is none. */
export function parseProgressBar(piece: string): ProgressBar | null {
  const found = bar.exec(piece);
  return found === null ? null : { step: Number(found[1]), steps: Number(found[2]), etaSeconds: parseInterval(found[3]!) };
}

/** `mm:ss` or `h:mm:ss` in seconds; null for `?`. */
function parseInterval(text: string): number | null {
  const parts = text.split(':').map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  const seconds = parts.reduce((sum, part) => sum * 60 + part, 0);
  return Number.isFinite(seconds) ? seconds : null;
}

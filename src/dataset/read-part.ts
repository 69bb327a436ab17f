/** The files of one part of the data, read and hashed. */
import { createHash } from 'node:crypto';
import type { ReadRowsOptions } from './read-rows.ts';
import type { ReadProgress } from './reading-progress.ts';
import type { LocatedRow } from './row.ts';
import type { PartFiles, SourceFacts } from './tally.ts';
import { readTaskBatches, type RowShape } from './task-rows.ts';

interface PartReader extends Pick<ReadRowsOptions, 'onBadRow' | 'onNote'> {
  readonly shape: RowShape;
  /** Is told how far it is, after each batch of rows. */
  readonly onRead?: ((progress: ReadProgress) => void) | undefined;
}

/** Reads the files one after the other, each once, and passes on every row that can be used. */
export async function readPart(
  paths: readonly string[],
  { shape, onRead, ...events }: PartReader,
  onRow: (row: LocatedRow) => void,
): Promise<PartFiles> {
  const sources: SourceFacts[] = [];
  const whole = createHash('sha256');
  for (const path of paths) {
    const sha256 = createHash('sha256');
    let [bytes, rows] = [0, 0];
    const onBytes = (chunk: Buffer): void => {
      sha256.update(chunk);
      if (paths.length > 1) whole.update(chunk);
      bytes += chunk.length;
    };
    for await (const batch of readTaskBatches([path], shape, { onBytes, ...events })) {
      for (const row of batch) onRow(row);
      rows += batch.length;
      onRead?.({ path, bytes, rows });
    }
    sources.push({ path, sha256: sha256.digest('hex'), bytes });
  }
  return { sources, sha256: paths.length === 1 ? sources[0]!.sha256 : whole.digest('hex') };
}

import { readChosenRows, type EncodedRow, type EncodedRows } from '../../src/trainer/tasks/classification/rows.ts';

/** All rows of a file. */
export async function readRows(
  encoder: Parameters<typeof readChosenRows>[0],
  path: string,
  options: Omit<Parameters<typeof readChosenRows>[2], 'choose'> = {},
): Promise<EncodedRows> {
  const { rows, truncated } = await readChosenRows(encoder, path, { ...options, choose: null });
  return { rows: rows.filter((row): row is EncodedRow => row !== undefined), truncated };
}

import { Failure } from '../errors.ts';

export interface DatasetFormat {
  readonly rows: 'jsonl' | 'csv' | 'tsv';
  readonly gzip: boolean;
}

/**
 * What a data file holds, told by the end of its name.
 * @throws Failure `data-invalid` for every other ending.
 */
export function parseFormat(path: string): DatasetFormat {
  const ending = /\.(jsonl|csv|tsv)(\.gz)?$/i.exec(path);
  if (ending === null) {
    throw new Failure('data-invalid', `expected a data file that ends in .jsonl, .csv or .tsv, or one of these and .gz, found ${path}`, {
      hint: 'Convert the file, or rename it if it holds one of these formats.',
    });
  }
  return { rows: ending[1]!.toLowerCase() as DatasetFormat['rows'], gzip: ending[2] !== undefined };
}

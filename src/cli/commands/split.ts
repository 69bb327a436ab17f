import { mkdir } from 'node:fs/promises';
import { relative } from 'node:path';
import { Failure, toFileFailure } from '../../errors.ts';
import type { Amount } from '../../prepare/divide-groups.ts';
import type { Split, SplitOptions } from '../../prepare/split-rows.ts';
import { quoteWord } from '../../lib/text.ts';
import { nameCommand, type Cli } from '../cli.ts';
import { openDataSources } from '../data-sources.ts';
import { escapeLine, escapeText, formatJson } from '../escape.ts';
import { formatSplit, toSkippedData } from '../views/rows-view.ts';
import type { RowFlags } from './convert.ts';

export interface SplitFlags extends RowFlags {
  readonly test?: Amount;
  readonly validation?: Amount;
  readonly stratify?: string;
  readonly seed?: number;
}

/** `orchestrate data split FILES --test 0.2`: writes the parts, all or none. */
export async function split(cli: Cli, files: readonly string[], flags: SplitFlags): Promise<number> {
  const done = await writeSplit(cli, files, flags);
  const { parts, skipped } = done;
  const paths = parts.map(({ path }) => escapeLine(relative('.', path) || path));
  if (cli.json) cli.terminal.print(formatJson({ ...done, skipped: skipped.map(toSkippedData) }));
  else if (cli.quiet) for (const path of paths) cli.terminal.print(path);
  else {
    const [train, ...heldOut] = parts.map(({ name }, i) => `${name === 'train' ? '' : `--${name} `}${quoteWord(paths[i]!)}`);
    cli.terminal.print(escapeText(formatSplit(done)));
    cli.terminal.print(`next: ${nameCommand(`data check ${[train, ...heldOut].join(' ')}`)}`);
  }
  return 0;
}

/** @throws Failure as `splitRows`; `usage` where no part is asked for, or a file is there already */
export async function writeSplit(cli: Cli, files: readonly string[], flags: SplitFlags): Promise<Split> {
  const {
    test = null,
    validation = null,
    stratify = null,
    seed = 0,
    columns = {},
    task,
    quote,
    skipBad = false,
    out = null,
    force = false,
  } = flags;
  if (test === null && validation === null) {
    throw new Failure('usage', 'expected --test and a share of the rows such as 0.2, or a number of rows; or --validation, or both');
  }
  const { splitRows, getPartPaths } = await import('../../prepare/split-rows.ts');
  const { checkOut } = await import('../../prepare/write-rows.ts');
  const isElsewhere = files.some((file) => file === '-' || file.startsWith('hub:'));
  if (isElsewhere && out === null) throw new Failure('usage', 'expected --out and a folder for the parts of what is no file here');
  await using sources = await openDataSources(cli, files);
  const paths = sources.find(files);
  const places = getPartPaths(paths[0]!, out);
  const isWanted = { train: true, test: test !== null, validation: validation !== null };
  checkOut(
    (['train', 'test', 'validation'] as const).filter((name) => isWanted[name]).map((name) => places[name]),
    force,
  );
  if (out !== null) {
    await mkdir(out, { recursive: true }).catch((error: unknown) => {
      throw toFileFailure(error, 'folder of the parts', out);
    });
  }
  const options: SplitOptions = {
    paths,
    columns,
    quote,
    test,
    validation,
    stratify,
    seed,
    skipBad,
    out: places,
    ...(task !== undefined && { task }),
  };
  return await splitRows(options);
}

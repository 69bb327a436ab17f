import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowTask, TableQuote } from '../../dataset/row.ts';
import { Failure } from '../../errors.ts';
import type { ConversionName } from '../../prepare/convert.ts';
import type { Format } from '../../prepare/write-rows.ts';
import type { Cli } from '../cli.ts';
import { openDataSources } from '../data-sources.ts';
import { escapeLine, escapeText, formatJson } from '../escape.ts';
import { formatConversion, toSkippedData } from '../views/rows-view.ts';

/** How the rows of files are read: what several commands have. */
export interface RowFlags {
  readonly columns?: Readonly<Record<string, string>>;
  readonly task?: RowTask;
  readonly quote?: TableQuote;
  readonly skipBad?: boolean;
  readonly out?: string;
  readonly force?: boolean;
}

interface ConvertFlags extends RowFlags {
  readonly to?: ConversionName;
  readonly system?: string;
}

/** `orchestrate data convert FILES --to FORM`: writes all rows in another form, or none. */
export async function convert(cli: Cli, files: readonly string[], flags: ConvertFlags): Promise<number> {
  const { to, out = '-', system = null } = flags;
  if (to === undefined) throw new Failure('usage', 'expected --to and what the rows become, such as --to chat');
  const { convertRows } = await import('../../prepare/convert.ts');
  const { checkOut, parseOutFormat, writeTogether } = await import('../../prepare/write-rows.ts');
  const isFile = out !== '-';
  const format = isFile ? parseOutFormat(out) : to === 'csv' ? 'csv' : 'jsonl';
  checkFormat({ to, format, out });
  if (isFile) checkOut([out], flags.force === true);
  const folder = isFile ? null : await mkdtemp(join(tmpdir(), 'orchestrate-'));
  try {
    const path = folder === null ? out : join(folder, 'rows');
    await using sources = await openDataSources(cli, files);
    const { columns = {}, task, quote, skipBad = false } = flags;
    const options = { paths: sources.find(files), columns, quote, to, format, system, skipBad, ...(task !== undefined && { task }) };
    const conversion = await convertRows(options, async (lines) => {
      await writeTogether([path], async ([write]) => {
        for await (const line of lines) {
          cli.signal.throwIfAborted();
          await write!(line);
        }
      });
    });
    if (folder !== null) {
      if (!cli.quiet) cli.terminal.say(formatConversion(conversion, null));
      await print(cli, path);
    } else if (cli.json) cli.terminal.print(formatJson({ path: out, ...conversion, skipped: conversion.skipped.map(toSkippedData) }));
    else cli.terminal.print(cli.quiet ? escapeLine(out) : escapeText(formatConversion(conversion, out)));
    return 0;
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Failure `usage` where `--to` and the name of the output say two things */
function checkFormat({ to, format, out }: { readonly to: ConversionName; readonly format: Format; readonly out: string }): void {
  if ((to !== 'csv' && to !== 'jsonl') || to === format) return;
  throw new Failure('usage', `--to ${to} expects an output that ends in .${to}, found ${out}`);
}

/** The lines of a file on standard output; for a person so that nothing in them moves the cursor. */
async function print(cli: Cli, path: string): Promise<void> {
  for await (const chunk of createReadStream(path, 'utf8')) {
    cli.signal.throwIfAborted();
    await cli.terminal.write(cli.terminal.isScreen ? escapeText(chunk as string) : (chunk as string));
  }
}

import type { CleanOptions } from '../../run/clean.ts';
import type { Cli } from '../cli.ts';
import { escapeLine, formatJson } from '../escape.ts';
import { formatTable } from '../views/format.ts';

interface CleanFlags {
  /** Milliseconds. */
  readonly olderThan?: number;
  readonly yes?: boolean;
  readonly provider?: string;
}

/** `orchestrate clean`: what could be deleted, here or at a service; deletes it with `--yes`. */
export async function clean(cli: Cli, args: readonly string[], { olderThan, yes, provider }: CleanFlags): Promise<number> {
  const options = { address: args[0], olderThanMs: olderThan, dryRun: yes !== true };
  const { header, removed, lines } = provider === undefined ? await cleanHere(cli, options) : await cleanThere(cli, provider, options);
  if (cli.json) cli.terminal.print(formatJson({ removed, deleted: yes === true }));
  else if (cli.quiet) for (const { id } of removed) cli.terminal.print(escapeLine(id));
  else if (removed.length === 0) cli.terminal.say('nothing to clean');
  else {
    cli.terminal.print(
      formatTable([[yes === true ? 'DELETED' : 'WOULD DELETE', header], ...lines], {
        right: [header === 'SIZE' ? 1 : -1],
        width: cli.terminal.width,
      }),
    );
    if (yes !== true) cli.terminal.say('nothing was deleted; add --yes to delete');
  }
  return 0;
}

interface Cleaned {
  /** Of the second column. */
  readonly header: 'SIZE' | 'CHANGED';
  readonly removed: readonly { readonly id: string }[];
  readonly lines: readonly (readonly string[])[];
}

async function cleanHere(cli: Cli, options: CleanOptions): Promise<Cleaned> {
  await using orchestrator = await cli.open();
  const removed = await orchestrator.clean(options);
  return { header: 'SIZE', removed, lines: removed.map(({ id, bytes }) => [id, `${(bytes / 1e6).toFixed(1)} MB`]) };
}

async function cleanThere(cli: Cli, provider: string, options: CleanOptions): Promise<Cleaned> {
  await using orchestrator = await cli.open();
  const removed = await orchestrator.cleanService(provider, options);
  const lines = removed.map(({ id, url, updatedAt }) => [escapeLine(url ?? id), escapeLine(updatedAt?.slice(0, 10) ?? '')]);
  return { header: 'CHANGED', removed, lines };
}

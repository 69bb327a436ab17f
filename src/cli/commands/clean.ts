import type { Cli } from '../cli.ts';
import { parseDurationMs } from '../parse-flags.ts';
import { formatTable } from '../views/format.ts';

/** `orchestrate clean`: what could be deleted; deletes it with `--yes`. */
export async function clean(cli: Cli, args: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { olderThan, yes } = flags as { olderThan?: string; yes?: boolean };
  const olderThanMs = olderThan === undefined ? undefined : parseDurationMs('--older-than', olderThan);
  await using orchestrator = await cli.open();
  const removed = await orchestrator.clean({ address: args[0], olderThanMs, isRehearsal: yes !== true });
  if (cli.json) cli.terminal.print(JSON.stringify({ removed, deleted: yes === true }));
  else if (cli.quiet) for (const { id } of removed) cli.terminal.print(id);
  else if (removed.length === 0) cli.terminal.say('nothing to clean');
  else {
    const rows = removed.map(({ id, bytes }) => [id, `${(bytes / 1e6).toFixed(1)} MB`]);
    cli.terminal.print(formatTable([[yes === true ? 'DELETED' : 'WOULD DELETE', 'SIZE'], ...rows], [1]));
    if (yes !== true) cli.terminal.say('nothing was deleted; add --yes to delete');
  }
  return 0;
}

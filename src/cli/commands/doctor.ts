import { accessSync, constants } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Check } from '../../provider/provider.ts';
import { failureKinds } from '../../errors.ts';
import { escapeLine, formatJson } from '../escape.ts';
import { completeCommands, nameCommand, type Cli } from '../cli.ts';

/** Less free space than this is worth a warning: a model with its run folder takes several times its size. */
const leastFreeBytes = 2 ** 30;

/** `orchestrate doctor`: what works on this machine, what does not, and how to get it. */
export async function doctor(cli: Cli, _args: readonly string[], { install }: { readonly install?: string }): Promise<number> {
  await using orchestrator = await cli.open({ mayCreateState: install === undefined });
  if (install !== undefined) return print(cli, [await orchestrator.install(install)]);
  const { bavail, bsize } = await statfs(orchestrator.dir);
  const free = bavail * bsize;
  const checks: Check[] = [
    { name: 'Node.js', ok: true, found: `${process.versions.node} (${process.execPath})`, hint: null },
    checkState(orchestrator.dir),
    {
      name: 'free space',
      ok: free >= leastFreeBytes,
      found: `${(free / 1e9).toFixed(1)} GB`,
      hint: free >= leastFreeBytes ? null : `\`${nameCommand('clean')}\` shows what can be deleted`,
    },
    ...(await orchestrator.check()),
  ];
  return print(cli, checks);
}

/** A state folder that may not be written can be looked at all the same. */
function checkState(dir: string): Check {
  try {
    accessSync(dir, constants.W_OK);
    return { name: 'state folder', ok: true, found: `${dir} can be written`, hint: null };
  } catch {
    const hint = 'what is there can be looked at; to submit, change its permissions or name another folder with --dir';
    return { name: 'state folder', ok: false, found: `${dir} cannot be written`, hint };
  }
}

function print(cli: Cli, checks: readonly Check[]): number {
  if (cli.json) cli.terminal.print(formatJson({ checks }));
  else for (const check of checks) cli.terminal.print(formatCheck(check));
  return checks.every(({ ok }) => ok !== false) ? 0 : failureKinds['service-unavailable'].exit;
}

function formatCheck({ name, ok, found, hint }: Check): string {
  const mark = ok === null ? '-      ' : ok ? 'ok     ' : 'MISSING';
  const line = `${mark}  ${escapeLine(name)}: ${escapeLine(found)}`;
  return hint === null ? line : `${line}\n         ${escapeLine(completeCommands(hint))}`;
}

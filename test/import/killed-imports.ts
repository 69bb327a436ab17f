import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { startCli, type Ended } from '../cli/run-cli.ts';
import { canaryKey } from '../providers/openai-compatible/fixture.ts';
import type { UsedAccount } from './used-account.ts';

/** What an import has left: the files of the folder, and the runs. */
interface Left {
  readonly files: Readonly<Record<string, string>>;
  readonly runs: string;
}

/**
 * Imports a job once in peace, and once for each request of that: the process is killed when the request has been answered, and started
 * again. Two at a time.
 * @param most only the first requests
 */
export async function killImports(
  account: UsedAccount,
  { id, most = Infinity }: { readonly id: string; readonly most?: number },
): Promise<{ kills: number; problems: readonly string[] }> {
  const { proxy } = account;
  const peace = `${id}-in-peace`;
  const { status, stderr } = await startImport(account, id, peace).ended;
  if (status !== 0) return { kills: 0, problems: [`an import in peace ended with status ${status}: ${stderr}`] };
  const whole = await look(account, peace);
  const children = new Map<string, ChildProcess>();
  proxy.onPass = ({ moment, number, organization }) => {
    if (moment === 'after' && organization === `${id}-killed-${number}`) children.get(organization)?.kill('SIGKILL');
    return true;
  };
  const problems: string[] = [];
  const killAt = async (number: number): Promise<void> => {
    const organization = `${id}-killed-${number}`;
    const { child, ended } = startImport(account, id, organization);
    children.set(organization, child);
    await ended;
    children.delete(organization);
    if (child.signalCode !== 'SIGKILL') problems.push(`${organization}: it ended before the kill`);
    const again = await startImport(account, id, organization).ended;
    if (again.status !== 0) problems.push(`${organization}: afterwards status ${again.status}: ${again.stderr}`);
    const left = await look(account, organization);
    if (!isDeepStrictEqual(left, whole)) problems.push(`${organization}: another folder, or other runs than without a kill`);
  };
  const numbers = Array.from({ length: Math.min(most, proxy.count(peace)) }, (_, i) => i + 1);
  for (let i = 0; i < numbers.length; i += 2) await Promise.all(numbers.slice(i, i + 2).map(killAt));
  proxy.onPass = () => true;
  return { kills: numbers.length, problems };
}

/** Runs the program in a folder of its own, as an organization of its own. */
function start(
  { fixture, proxy }: UsedAccount,
  organization: string,
  args: readonly string[],
): { child: ChildProcess; ended: Promise<Ended> } {
  const cwd = join(fixture.folder, organization);
  mkdirSync(cwd, { recursive: true });
  const env = { ...process.env, OPENAI_BASE_URL: `${proxy.url}/v1`, OPENAI_API_KEY: canaryKey, OPENAI_ORG_ID: organization };
  return startCli(args, { cwd, env });
}

function startImport(account: UsedAccount, id: string, organization: string): ReturnType<typeof start> {
  return start(account, organization, ['import', 'openai', id, '--out', 'job']);
}

/** Without the time at which it came home. */
async function look(account: UsedAccount, organization: string): Promise<Left> {
  const folder = join(account.fixture.folder, organization, 'job');
  const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1').replace(/^ {2}"at": .*/m, '')]);
  const { stdout } = await start(account, organization, ['status', '-q']).ended;
  return { files: Object.fromEntries(files) as Record<string, string>, runs: stdout };
}

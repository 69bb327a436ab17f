import type { Store } from '../store/open-store.ts';
import type { Account } from './budget.ts';
import type { RunState } from './transitions.ts';

/** States in which a run holds money although nothing of it runs: a person can give it back. */
const idle: readonly string[] = ['accepted', 'preparing', 'attention', 'paused'] satisfies RunState[];

/** Which runs hold reserved money, for the message of a refusal, and the commands that give it back. The largest ones first. */
export async function describeReserved(
  store: Store,
  { job, workspace }: Account,
  format: (microDollars: number) => string,
): Promise<{ readonly holders: string | null; readonly hint: string | null }> {
  const rows = await store
    .selectFrom('charge')
    .innerJoin('run', 'run.key', 'charge.id')
    .select(['run.job', 'run.target', 'run.number', 'run.state', 'charge.micro_dollars as amount'])
    .where('charge.job', '=', job)
    .where('charge.workspace', workspace === null ? 'is' : '=', workspace)
    .where('charge.state', '=', 'reserved')
    .where('charge.micro_dollars', '>', 0)
    .orderBy('charge.micro_dollars', 'desc')
    .limit(mostNamed)
    .execute();
  const named = rows.map(({ job: name, target, number, ...row }) => ({
    ...row,
    id: `${name}/${target}${number === 1 ? '' : `#${number}`}`,
  }));
  const holders = named.map(({ id, state, amount }) => `${id}, ${state}, holds ${format(Number(amount))}`).join('; ');
  const commands = named.filter(({ state }) => idle.includes(state)).map(({ id }) => `\`orchestrate cancel ${id}\``);
  return {
    holders: holders === '' ? null : holders,
    hint: commands.length === 0 ? null : `${commands.join(' or ')} gives back what a run holds that does not go on`,
  };
}

/** More would hide the sentence. */
const mostNamed = 5;

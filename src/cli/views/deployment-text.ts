import { formatUsd } from '../../run/budget.ts';
import type { RunView } from '../../run/run-view.ts';
import { programName } from '../program-name.ts';
import { formatSeconds } from './format.ts';

/** `as NAME until 2026-11-29 15:04 UTC (42 min 10 s left); $1.70 an hour, $3.40 so far`; null where the model is not deployed. */
export function toDeploymentText({ id, deployment }: Pick<RunView, 'id' | 'deployment'>, now: Date): string | null {
  if (deployment === null) return null;
  const { name, isUp, until, usdPerHour, usd, overdue } = deployment;
  const leftMs = Date.parse(until) - now.getTime();
  const left = overdue
    ? `OVERDUE by ${formatSeconds(-leftMs / 1000)}: \`${programName} undeploy ${id}\` ends it`
    : `${formatSeconds(leftMs / 1000)} left`;
  const price = usdPerHour === 0 ? 'costs nothing' : `${formatUsd(usdPerHour)} an hour, ${formatUsd(usd)} so far`;
  return `${isUp ? '' : 'not seen to answer yet, '}as ${name} until ${toMinute(until)} (${left}); ${price}`;
}

/** `2026-11-29 15:04 UTC`. */
function toMinute(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

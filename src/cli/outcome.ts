import type { RunView } from '../run/run-view.ts';

/** The exit status that tells how runs stand: the first that applies, of several runs the gravest. */
export function toOutcome(runs: readonly RunView[]): number {
  if (runs.some((run) => run.attention || ['accepted', 'preparing'].includes(run.status.phase))) return 75;
  if (runs.some((run) => run.terminal && !run.ok && run.status.phase !== 'cancelled')) return 100;
  if (runs.some((run) => run.status.phase === 'cancelled')) return 103;
  return runs.every((run) => run.ok) ? 0 : 101;
}

import type { RunView } from '../../run/run-view.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatSeconds } from './format.ts';

const widestBar = 24;
const narrowestBar = 8;

/** One line a run: a bar with step, loss, rate and time left while it trains, its state otherwise. */
export function toProgressLine(run: RunView, columns: number): string {
  const { progress, status } = run;
  const name = escapeLine(run.id);
  if (progress.fraction === null || run.terminal) return `${name}  ${status.phase}`;
  const facts = [
    `step ${formatCount(progress.step!)}/${formatCount(progress.steps!)}`,
    progress.loss === null ? null : `loss ${progress.loss.toFixed(3)}`,
    progress.rowsPerSecond === null ? null : `${formatCount(Math.round(progress.rowsPerSecond))} rows/s`,
    progress.etaSeconds === null ? null : `${formatSeconds(progress.etaSeconds)} left`,
  ];
  const text = facts.filter((fact) => fact !== null).join('  ');
  const width = Math.max(narrowestBar, Math.min(widestBar, columns - 1 - name.length - text.length - 4));
  const filled = Math.round(progress.fraction * width);
  return `${name}  ${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ${text}`.slice(0, columns - 1);
}

/** Remembers what was said, so that a log gets a line for each tenth of the way and each change of state, and no more. */
export function createProgressLog(say: (line: string) => void): (runs: readonly RunView[]) => void {
  const said = new Map<string, string>();
  return (runs) => {
    for (const run of runs) {
      const tenth = run.progress.fraction === null ? -1 : Math.floor(run.progress.fraction * 10);
      const mark = run.terminal ? run.status.phase : `${run.status.phase} ${tenth}`;
      if (said.get(run.id) === mark) continue;
      said.set(run.id, mark);
      say(toProgressLine(run, Infinity));
    }
  };
}

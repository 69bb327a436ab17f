import { formatUsd } from '../../run/budget.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunView } from '../../run/run-view.ts';
import type { Quote } from '../../provider/provider.ts';
import { isDifference, type Note } from '../../provider/note.ts';
import { completeCommands, nameCommand } from '../cli.ts';
import { escapeLine, escapeText } from '../escape.ts';
import { formatAge, formatCount, formatLocation, formatSeconds, formatTable, formatTime, paint } from './format.ts';

/** One line a run. */
export function formatRunTable(runs: readonly RunView[], now: Date, width = Infinity): string {
  const header = ['RUN', 'STATUS', 'STEP', 'PROVIDER', 'MODEL', 'AGE'];
  const rows = runs.map((run) => [
    escapeLine(run.id),
    run.deployment === null
      ? `${run.status.phase}${escapeLine(formatWaiting(run))}`
      : `${run.status.phase}, ${run.deployment.overdue ? 'OVERDUE' : 'deployed'}`,
    run.progress.step === null ? '' : `${run.progress.step}/${run.progress.steps ?? '?'}`,
    escapeLine(run.provider),
    escapeLine(run.model.base.split('/').at(-1)!),
    formatAge(now.getTime() - Date.parse(run.times.created)),
  ]);
  return formatTable([header, ...rows], { width, importance: [0, 1, 2, 5, 3, 4] });
}

const freshMs = 2000;

/** How old a list of runs is; null where all of it was seen just now, or has ended. */
export function formatOldestLook(runs: readonly RunView[], now: Date): string | null {
  const open = runs.filter(({ terminal, remote }) => !terminal && remote !== null);
  const ages = open.map(({ observed }) => (observed.at === null ? Infinity : now.getTime() - Date.parse(observed.at)));
  const oldest = Math.max(0, ...ages);
  if (oldest <= freshMs) return null;
  const run = open[ages.indexOf(oldest)]!.id;
  const seen = oldest === Infinity ? `${run} was not seen yet` : `${run} was seen ${formatAge(oldest)} ago`;
  return `${seen}${open.length > 1 ? ', the others later' : ''}; \`${nameCommand('status --refresh')}\` looks now`;
}

/** All that is worth knowing of a run, and what to type next. */
export function formatRunPage(run: RunView, now: Date): string {
  const { times, progress, data } = run;
  const looked = run.observed.at === null ? 'not seen yet' : `seen ${formatAge(now.getTime() - Date.parse(run.observed.at))} ago`;
  const took =
    times.started === null || times.finished === null
      ? null
      : formatSeconds((Date.parse(times.finished) - Date.parse(times.started)) / 1000);
  const facts: [string, string | null][] = [
    ['status', `${run.status.phase}${formatWaiting(run)} (${looked})`],
    ['provider', run.provider],
    ['model', run.model.base],
    [
      'data',
      `${formatCount(data.train.rows)} training, ${formatCount(data.validation?.rows ?? 0)} validation, ${formatTestRows(run)} held-out rows`,
    ],
    [
      'progress',
      progress.step === null
        ? null
        : `step ${formatCount(progress.step)}${progress.steps === null ? '' : ` of ${formatCount(progress.steps)}`}`,
    ],
    ['training', took],
    ['cost', formatRunCost(run)],
    ['deployed', formatDeployment(run, now)],
    ['tags', formatTags(run.tags)],
    ['key', run.key],
    ...run.outputs.map((output): [string, string] => ['output', formatLocation(output.uri)]),
  ];
  const lines = facts.filter(([, value]) => value !== null).map(([name, value]) => `  ${name.padEnd(10)}${escapeLine(value!)}`);
  const failure =
    run.failure === null
      ? []
      : [
          '',
          paint('red', `  ${run.status.phase === 'paused' ? 'stopped' : 'failed'}: ${escapeText(completeCommands(run.failure.message))}`),
          ...(run.failure.hint === null ? [] : [`  ${escapeText(completeCommands(run.failure.hint))}`]),
        ];
  const notes = [...run.notes.filter(isDifference), ...formatDeprecationNotes(run.endsOn, now)].map(
    (note) => `  note: ${escapeLine(formatNote(note))}`,
  );
  return [escapeLine(run.id), ...lines, ...notes, ...failure, '', `  next: ${escapeLine(getNextCommand(run))}`].join('\n');
}

function formatWaiting({ waitingFor, doing }: RunView): string {
  if (waitingFor !== null) return `, waiting for ${waitingFor}`;
  return doing === null ? '' : `, ${doing}`;
}

export function formatWarnings({ notes }: Pick<RunView, 'notes'>): string[] {
  return notes.filter(({ type }) => type === 'warning').map((note) => `note: ${escapeLine(formatNote(note))}`);
}

/** Why a submission was rejected, the remedy, and what the plan has warned of. */
export function formatRejection({ failure, notes }: RunView): string[] {
  const warnings = formatWarnings({ notes }).map((line) => `  ${line}`);
  if (failure === null) return warnings;
  return [`  ${escapeText(failure.message)}`, ...(failure.hint === null ? [] : [`  ${escapeText(failure.hint)}`]), ...warnings];
}

/** The actual cost beside the planned one; what costs nothing is not spoken of. */
function formatRunCost({ cost, terminal }: RunView): string | null {
  const { low, high, actual, source, asOf, actualSource } = cost;
  if (high === 0 && actual === 0) return null;
  const planned = low === null || high === null || source === null ? 'price unknown' : formatPrice({ low, high, source, asOf });
  if (actual === null) return terminal ? `not known: ${planned}` : planned;
  return `${formatUsd(actual)} (${actualSource ?? 'source unknown'}), planned: ${planned}`;
}

function formatTags(tags: RunView['tags']): string | null {
  const pairs = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? null : pairs.join(', ');
}

function formatTestRows({ data }: RunView): string {
  return formatCount(Object.values(data.test).reduce((sum, { rows }) => sum + rows, 0));
}

/** Whether its model answers nobody yet. */
export function needsDeployment({ outputs, deployment }: RunView): boolean {
  return deployment === null && outputs.some(({ kind, callAs }) => kind === 'endpoint' && callAs === null);
}

/** The command that a person most likely wants after seeing this run. */
export function getNextCommand(run: RunView): string {
  if (run.deployment?.overdue === true) return nameCommand(`undeploy ${run.id}`);
  if (needsDeployment(run)) return nameCommand(`deploy ${run.id} --hours 1`);
  if (run.ok) return nameCommand(`compare ${run.job}`);
  if (run.status.phase === 'accepted' || run.status.phase === 'preparing')
    return `submit the job file again: the submission was not finished`;
  if (run.status.phase === 'rejected') return 'fix this and submit the job file again, with --again if the file did not change';
  if (run.attention) return nameCommand(`resolve ${run.id} --adopt ID | --absent | --cancel`);
  if (run.status.phase === 'paused') return nameCommand(`resume ${run.id}`);
  return run.terminal ? nameCommand(`logs ${run.id}`) : nameCommand(`wait ${run.id}`);
}

/** A note in one sentence. */
export function formatNote(note: Note): string {
  switch (note.type) {
    case 'sent':
      return `${note.field} = ${JSON.stringify(note.value)}${note.why === undefined ? '' : ` (${note.why})`}`;
    case 'converted':
      return `${note.field}: ${JSON.stringify(note.from)} became ${JSON.stringify(note.value)}: ${note.why}`;
    case 'defaulted':
      return `${note.field} = ${JSON.stringify(note.value)} (default${note.why === undefined ? '' : ` ${note.why}`})`;
    case 'unsupported':
      return `${note.field} = ${JSON.stringify(note.value)} is not followed: ${note.why}`;
    case 'warning':
      return completeCommands(note.message);
  }
}

const widestBar = 24;
const narrowestBar = 8;

/** One line a run: a bar with step, loss, rate and time left while it trains, its state otherwise. */
export function formatProgress(run: RunView, columns: number): string {
  const { progress, status } = run;
  const name = escapeLine(run.id);
  const isUnderWay = !run.terminal && run.waitingFor === null && status.phase !== 'paused' && status.phase !== 'interrupted';
  if (progress.fraction === null || !isUnderWay) return `${name}  ${status.phase}${escapeLine(formatWaiting(run))}`;
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
      const mark = run.terminal ? run.status.phase : `${run.status.phase} ${tenth} ${run.doing?.replace(/\d .*$/, '') ?? ''}`;
      if (said.get(run.id) === mark) continue;
      said.set(run.id, mark);
      say(formatProgress(run, Infinity));
    }
  };
}

/** `as NAME until 2026-11-29 15:04 UTC (42 min 10 s left); $1.70 an hour, $3.40 so far`; null where the model is not deployed. */
export function formatDeployment({ id, deployment }: Pick<RunView, 'id' | 'deployment'>, now: Date): string | null {
  if (deployment === null) return null;
  const { name, isUp, until, usdPerHour, usd, overdue } = deployment;
  const leftMs = Date.parse(until) - now.getTime();
  const left = overdue
    ? `OVERDUE by ${formatSeconds(-leftMs / 1000)}: \`${nameCommand(`undeploy ${id}`)}\` ends it`
    : `${formatSeconds(leftMs / 1000)} left`;
  const price = usdPerHour === 0 ? 'costs nothing' : `${formatUsd(usdPerHour)} an hour, ${formatUsd(usd)} so far`;
  return `${isUp ? '' : 'not seen to answer yet, '}as ${name} until ${formatMinute(until)} (${left}); ${price}`;
}

/** `2026-11-29 15:04 +01:00`, or `2026-11-29 14:04 UTC`. */
function formatMinute(iso: string): string {
  return formatTime(iso)
    .replace('T', ' ')
    .replace(/:\d\d(?=Z|[+-])/, ' ')
    .replace('Z', 'UTC');
}

/** `$1.20 to $2.40 (list prices, of 2026-01-01)`. */
export function formatPrice({ low, high, source, asOf }: Pick<Quote, 'low' | 'high' | 'source' | 'asOf'>): string {
  const origin = asOf === null ? source : `${source}, of ${asOf}`;
  if (high === 0) return `nothing (${origin})`;
  return `${low === high ? formatUsd(high) : `${formatUsd(low)} to ${formatUsd(high)}`} (${origin})`;
}

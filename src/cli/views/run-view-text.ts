import { isDifference, type Note } from '../../provider/note.ts';
import { formatUsd } from '../../run/budget.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunView } from '../../run/run-view.ts';
import { escapeLine, escapeText } from '../escape.ts';
import { formatAge, formatCount, formatPlace, formatSeconds, formatTable } from './format.ts';
import { toDeploymentText } from './deployment-text.ts';
import { toPriceText } from './price-text.ts';
import { programName } from '../program-name.ts';

/** One line a run. */
export function toRunTable(runs: readonly RunView[], now: Date): string {
  const header = ['RUN', 'STATUS', 'STEP', 'PROVIDER', 'MODEL', 'AGE'];
  const rows = runs.map((run) => [
    escapeLine(run.id),
    run.deployment === null ? run.status.phase : `${run.status.phase}, ${run.deployment.overdue ? 'OVERDUE' : 'deployed'}`,
    run.progress.step === null ? '' : `${run.progress.step}/${run.progress.steps ?? '?'}`,
    escapeLine(run.provider),
    escapeLine(run.model.base.split('/').at(-1)!),
    formatAge(now.getTime() - Date.parse(run.times.created)),
  ]);
  return formatTable([header, ...rows]);
}

/** All that is worth knowing of a run, and what to type next. */
export function toRunPage(run: RunView, now: Date): string {
  const { times, progress, data } = run;
  const looked = run.observed.at === null ? 'not seen yet' : `seen ${formatAge(now.getTime() - Date.parse(run.observed.at))} ago`;
  const took =
    times.started === null || times.finished === null
      ? null
      : formatSeconds((Date.parse(times.finished) - Date.parse(times.started)) / 1000);
  const facts: [string, string | null][] = [
    ['status', `${run.status.phase} (${looked})`],
    ['provider', run.provider],
    ['model', run.model.base],
    [
      'data',
      `${formatCount(data.train.rows)} training, ${formatCount(data.validation?.rows ?? 0)} validation, ${toTestRows(run)} held-out rows`,
    ],
    ['progress', progress.step === null ? null : `step ${formatCount(progress.step)} of ${formatCount(progress.steps ?? 0)}`],
    ['training', took],
    ['cost', toCostText(run)],
    ['deployed', toDeploymentText(run, now)],
    ['tags', toTagText(run.tags)],
    ['key', run.key],
    ...run.outputs.map((output): [string, string] => ['output', formatPlace(output.uri)]),
  ];
  const lines = facts.filter(([, value]) => value !== null).map(([name, value]) => `  ${name.padEnd(10)}${escapeLine(value!)}`);
  const failure =
    run.failure === null
      ? []
      : ['', `  failed: ${escapeText(run.failure.message)}`, ...(run.failure.hint === null ? [] : [`  ${escapeText(run.failure.hint)}`])];
  const notes = [...run.notes.filter(isDifference), ...formatDeprecationNotes(run.endsOn, now)].map(
    (note) => `  note: ${escapeLine(toNoteText(note))}`,
  );
  return [escapeLine(run.id), ...lines, ...notes, ...failure, '', `  next: ${escapeLine(toNextCommand(run))}`].join('\n');
}

/** The actual cost beside the planned one; what costs nothing is not spoken of. */
function toCostText({ cost, terminal }: RunView): string | null {
  const { low, high, actual, source, asOf, actualSource } = cost;
  if (high === 0 && actual === 0) return null;
  const planned = low === null || high === null || source === null ? 'price unknown' : toPriceText({ low, high, source, asOf });
  if (actual === null) return terminal ? `not known: ${planned}` : planned;
  return `${formatUsd(actual)} (${actualSource ?? 'source unknown'}), planned: ${planned}`;
}

function toTagText(tags: RunView['tags']): string | null {
  const pairs = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? null : pairs.join(', ');
}

function toTestRows({ data }: RunView): string {
  return formatCount(Object.values(data.test).reduce((sum, { rows }) => sum + rows, 0));
}

/** Whether its model answers nobody yet. */
export function needsDeployment({ outputs, deployment }: RunView): boolean {
  return deployment === null && outputs.some(({ kind, callAs }) => kind === 'endpoint' && callAs === null);
}

/** The command that a person most likely wants after seeing this run. */
export function toNextCommand(run: RunView): string {
  if (run.deployment?.overdue === true) return `${programName} undeploy ${run.id}`;
  if (needsDeployment(run)) return `${programName} deploy ${run.id} --hours 1`;
  if (run.ok) return `${programName} compare ${run.job}`;
  if (run.status.phase === 'accepted' || run.status.phase === 'preparing')
    return `submit the job file again: the submission was not finished`;
  if (run.attention) return `${programName} resolve ${run.id} --adopt ID | --absent | --cancel`;
  if (run.status.phase === 'paused') return `${programName} resume ${run.id}`;
  return run.terminal ? `${programName} logs ${run.id}` : `${programName} wait ${run.id}`;
}

/** A note in one sentence. */
export function toNoteText(note: Note): string {
  switch (note.type) {
    case 'sent':
      return `${note.field} = ${JSON.stringify(note.value)}`;
    case 'converted':
      return `${note.field}: ${JSON.stringify(note.from)} became ${JSON.stringify(note.value)}: ${note.why}`;
    case 'defaulted':
      return `${note.field} = ${JSON.stringify(note.value)} (default)`;
    case 'unsupported':
      return `${note.field} = ${JSON.stringify(note.value)} is not followed: ${note.why}`;
    case 'warning':
      return note.message;
  }
}

import type { Note } from '../provider/note.ts';
import type { Deprecation } from '../provider/service.ts';

const dayMs = 86_400_000;
/** An end that is nearer is told. */
const nearDays = 90;
/** What was read longer ago may be wrong by now. */
const oldDays = 90;

/** What a person should know of the end of a model at its service: that it is near or past, or that nobody has looked for long. */
export function formatDeprecationNotes(end: Deprecation | null, now: Date): Extract<Note, { type: 'warning' }>[] {
  if (end === null) return [];
  const inDays = Math.ceil((Date.parse(end.date) - now.getTime()) / dayMs);
  const age = toAgeText(end, now);
  const source = `${end.source}${end.asOf === null ? '' : `, as of ${end.asOf}`}`;
  if (inDays <= 0) return [toWarning(`its service ended this model on ${end.date} (${source})${age}`)];
  if (inDays <= nearDays)
    return [toWarning(`its service ends this model on ${end.date}, in ${inDays} ${inDays === 1 ? 'day' : 'days'} (${source})${age}`)];
  return age === '' ? [] : [toWarning(`its service ends this model on ${end.date} (${source})${age}`)];
}

/** What to add to an end that was read long ago; else nothing. */
export function toAgeText({ asOf }: Deprecation, now: Date): string {
  const days = asOf === null ? 0 : Math.floor((now.getTime() - Date.parse(asOf)) / dayMs);
  return days > oldDays ? `; that was read ${days} days ago and may have changed` : '';
}

function toWarning(message: string): Extract<Note, { type: 'warning' }> {
  return { type: 'warning', message };
}

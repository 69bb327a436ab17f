import type { Note } from '../provider/note.ts';
import type { Deprecation } from '../provider/service.ts';

type Warning = Extract<Note, { type: 'warning' }>;

const dayMs = 86_400_000;
/** A shutdown that is nearer is a warning. */
const nearDays = 90;
/** Information that is older may be wrong by now. */
const oldDays = 90;

/** Warnings about the shutdown of a model at its service: that it is near or past, or that the information about it is old. */
export function formatDeprecationNotes(deprecation: Deprecation | null, now: Date): Warning[] {
  if (deprecation === null) return [];
  const { date, source, asOf } = deprecation;
  const inDays = Math.ceil((Date.parse(date) - now.getTime()) / dayMs);
  const age = formatAge(deprecation, now);
  const day = inDays > 0 && inDays <= nearDays ? `${date}, in ${inDays} ${inDays === 1 ? 'day' : 'days'}` : date;
  if (inDays > nearDays && age === '') return [];
  const message = `the service ${inDays <= 0 ? 'shut down' : 'shuts down'} this model on ${day} (${source}${asOf === null ? '' : `, as of ${asOf}`})${age}`;
  return [{ type: 'warning', message }];
}

/** A remark on information that is old; else nothing. */
export function formatAge({ asOf }: Deprecation, now: Date): string {
  const days = asOf === null ? 0 : Math.floor((now.getTime() - Date.parse(asOf)) / dayMs);
  return days > oldDays ? `; this information is ${days} days old and may have changed` : '';
}

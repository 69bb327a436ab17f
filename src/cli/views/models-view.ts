import type { ServiceModel } from '../../provider/service.ts';
import { formatAge } from '../../run/deprecation.ts';
import { escapeLine } from '../escape.ts';
import { formatTable } from './format.ts';

/** One line a model: those that can be tuned, then the account's own. A date says who told it, and when that was read long ago. */
export function toModelsText(models: readonly ServiceModel[], now: Date): string {
  const header = ['MODEL', 'KIND', 'CREATED', 'ENDS', 'SAYS'];
  const rows = models.map(({ name, kind, createdAt, end }) => {
    const says = end === null ? '' : `${end.source}${end.asOf === null ? '' : `, as of ${end.asOf}`}${formatAge(end, now)}`;
    return [name, kind, toDay(createdAt), end?.date ?? '', says].map(escapeLine);
  });
  return formatTable([header, ...rows]);
}

/** The day of a time, both ISO 8601; nothing where there is none. */
export function toDay(time: string | null): string {
  return time?.slice(0, 10) ?? '';
}

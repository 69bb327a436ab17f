import type { ServiceModel } from '../../contract/service.ts';
import { escapeLine } from '../escape.ts';
import { formatTable } from './format.ts';

/** One line a model: those that can be tuned, then the account's own. */
export function toModelsText(models: readonly ServiceModel[]): string {
  const header = ['MODEL', 'KIND', 'CREATED', 'ENDS', 'SAYS'];
  const rows = models.map(({ name, kind, createdAt, end }) => {
    const says = end === null ? '' : `${end.source}${end.asOf === null ? '' : `, as of ${end.asOf}`}`;
    return [name, kind, createdAt === null ? '' : toDay(createdAt), end?.date ?? '', says].map(escapeLine);
  });
  return formatTable([header, ...rows]);
}

/** The day of a time, both ISO 8601. */
export function toDay(time: string): string {
  return time.slice(0, 10);
}

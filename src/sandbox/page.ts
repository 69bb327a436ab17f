import { refuse } from './answer.ts';

interface PageOptions {
  readonly query: URLSearchParams;
  /** Items where the request does not say. */
  readonly usual: number;
  /** Most items, whatever the request says. */
  readonly most: number;
}

/** The items after the one that the query names, and whether there are more. */
export function toPage<Item extends { readonly id: string }>(
  items: readonly Item[],
  { query, usual, most }: PageOptions,
): { data: readonly Item[]; has_more: boolean } {
  const limit = Math.min(parseLimit(query.get('limit'), usual), most);
  const after = query.get('after');
  const begin = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && begin === 0) refuse(400, `Invalid 'after': there is no item with this id in the list.`, { param: 'after' });
  return { data: items.slice(begin, begin + limit), has_more: begin + limit < items.length };
}

function parseLimit(text: string | null, usual: number): number {
  if (text === null) return usual;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    refuse(400, `Invalid 'limit': expected an integer from 1 to 10000.`, { param: 'limit' });
  return limit;
}

import { toAnswer, type Answer } from '../answer.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';

interface Listing<Item> {
  readonly items: readonly Item[];
  /** What names the last item of a page; the next page begins behind it. */
  toCursor(item: Item): string;
}

const usualLimit = 1000;

/** One page; the address of the next one stands in the `Link` header. */
export function toHubPage<Item>({ service, query, requestPath }: HubPageCall, { items, toCursor }: Listing<Item>): Answer {
  const limit = Math.min(Number(query.get('limit') ?? usualLimit) || usualLimit, service.pageSize);
  const cursor = query.get('cursor');
  const begin = cursor === null ? 0 : items.findIndex((item) => toCursor(item) === cursor) + 1;
  if (cursor !== null && begin === 0) refuseHub(400, 'Invalid cursor');
  const page = items.slice(begin, begin + limit);
  const last = page.at(-1);
  const answer = toAnswer(page);
  if (last === undefined || begin + limit >= items.length) return answer;
  const next = new URLSearchParams(query);
  next.set('cursor', toCursor(last));
  return { ...answer, headers: { link: `<${service.url}${requestPath}?${next.toString()}>; rel="next"` } };
}

type HubPageCall = Pick<HubCall, 'service' | 'query' | 'requestPath'>;

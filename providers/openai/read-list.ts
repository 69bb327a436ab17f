import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { toIsoTime } from './to-iso-time.ts';

const WireItem = z.looseObject({ id: z.string(), created_at: z.unknown().optional() });

/** An item of a list of the service, with its time. */
export interface Item {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly wire: Readonly<Record<string, unknown>>;
}

const Page = z.looseObject({ data: z.array(z.unknown()), has_more: z.boolean().nullish() });

const pageSize = 100;

/**
 * A list of the service, newest first, read page by page until everything older than `sinceMs` begins, or to its end where that is
 * null. A service without such a list has an empty one.
 */
export async function readList(
  dialect: Dialect,
  { path, sinceMs }: { readonly path: string; readonly sinceMs: number | null },
  context: Context,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (let after: string | null = null; ; after = items.at(-1)!.id) {
    const page = await readPage(dialect, { path, after }, context);
    const known = items.length;
    mergePage(items, page.items);
    // A service that ignores `after` says for ever that there is more.
    const isNew = items.length > known;
    const isPast = sinceMs !== null && page.items.some((item) => Date.parse(item.at) < sinceMs);
    if (!page.hasMore || !isNew || isPast) return items;
  }
}

async function readPage(
  dialect: Dialect,
  { path, after }: { readonly path: string; readonly after: string | null },
  context: Context,
): Promise<{ items: Item[]; hasMore: boolean }> {
  const query = { limit: pageSize, ...(after === null ? {} : { after }) };
  const answer = await callService({ dialect, call: `GET ${path}` }, context, async (client) => {
    try {
      return await client.get<unknown>(path, { query });
    } catch (error) {
      if (isMissingRoute(error)) return null;
      throw error;
    }
  });
  // Gateways without this list answer with the job itself.
  const page = Page.safeParse(answer);
  const data = page.success ? page.data.data : [];
  return { items: data.flatMap(toItems), hasMore: page.data?.has_more === true };
}

function toItems(data: unknown): Item[] {
  const { data: wire } = WireItem.safeParse(data);
  const at = toIsoTime(wire?.created_at);
  return wire === undefined || at === null ? [] : [{ id: wire.id, at, wire }];
}

/** The job was seen just now: what is not found is the list. */
function isMissingRoute(error: unknown): boolean {
  return error instanceof Error && 'status' in error && [404, 405, 501].includes(Number(error.status));
}

/**
 * Adds a page to a list, both newest first. What is in the list already stays; what stands before it on the page came while the
 * pages were read.
 */
function mergePage(list: Item[], page: readonly Item[]): void {
  let at = list.length;
  for (const item of page.toReversed()) {
    const known = list.findIndex(({ id }) => id === item.id);
    if (known >= 0) at = known;
    else list.splice(at, 0, item);
  }
}

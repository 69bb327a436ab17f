import { Failure } from '../errors.ts';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins; null on the last one. */
  readonly next: string | null;
}

export interface PagingOptions {
  /** Such as `GET /files`, for messages. */
  readonly call: string;
  /**
   * Whether an item that is missing would be a fault: then the list throws where it does not come to an end. Otherwise it ends with the
   * first page that brings nothing new, since a service that ignores `after` says for ever that there is more.
   */
  readonly mustBeComplete: boolean;
}

/** More than any list has: a service that never comes to an end, or is none, must not fill the memory. */
export const listLimits = { pages: 2000, items: 200_000, bytes: 256 * 2 ** 20 } as const;

function createTooLong(call: string, limit: string): Failure {
  return new Failure('response-invalid', `${call}: expected a list of at most ${limit}, found more`, {
    hint: 'the address may be a gateway that lists without end; if the account really has so many, clean it up at the service first',
  });
}

/** The items of a list that a client of the service reads page by page itself. @throws Failure `response-invalid` for one without end */
export async function* boundItems<Item>(items: AsyncIterable<Item>, call: string): AsyncGenerator<Item> {
  let count = 0;
  for await (const item of items) {
    if (++count > listLimits.items) throw createTooLong(call, `${listLimits.items} items`);
    yield item;
  }
}

/**
 * A list page by page: the items of each page that were not on an earlier one.
 * @param readPage reads the page at this place; null: the first one
 * @throws Failure `response-invalid` for a list without end, and what `readPage` throws
 */
export async function* readPages<Item extends { readonly id: string }>(
  readPage: (place: string | null) => Promise<Page<Item>>,
  { call, mustBeComplete }: PagingOptions,
): AsyncGenerator<readonly Item[]> {
  const seen = new Set<string>();
  let place: string | null = null;
  let bytes = 0;
  for (let pages = 0; pages < listLimits.pages; pages++) {
    const { items, next }: Page<Item> = await readPage(place);
    bytes += Buffer.byteLength(JSON.stringify(items));
    if (bytes > listLimits.bytes) throw createTooLong(call, `${listLimits.bytes / 2 ** 20} MiB`);
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    if (seen.size > listLimits.items) throw createTooLong(call, `${listLimits.items} items`);
    if (fresh.length > 0) yield fresh;
    if (next === null) return;
    if (fresh.length === 0) {
      if (!mustBeComplete) return;
      throw new Failure('response-invalid', `${call}: expected another page after ${place ?? 'the first'}, found nothing new`, {
        hint: 'the address may be a gateway that does not list page by page',
      });
    }
    place = next;
  }
  throw createTooLong(call, `${listLimits.pages} pages`);
}

/** The address after `rel="next"` in a Link header (RFC 8288); null where there is none. */
export function parseNextLink(headers: Headers): string | null {
  const links = headers.get('link')?.split(/,(?=\s*<)/) ?? [];
  const next = links.find((link) => /;\s*rel="?next"?/.test(link));
  return next === undefined ? null : (/<([^>]*)>/.exec(next)?.[1] ?? '');
}

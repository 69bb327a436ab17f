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

/** More pages than any list has. */
const mostPages = 10_000;

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
  for (let pages = 0; pages < mostPages; pages++) {
    const { items, next }: Page<Item> = await readPage(place);
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
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
  throw new Failure('response-invalid', `${call}: expected at most ${mostPages} pages, found more`);
}

/** The address after `rel="next"` in a Link header (RFC 8288); null where there is none. */
export function parseNextLink(headers: Headers): string | null {
  const links = headers.get('link')?.split(/,(?=\s*<)/) ?? [];
  const next = links.find((link) => /;\s*rel="?next"?/.test(link));
  return next === undefined ? null : (/<([^>]*)>/.exec(next)?.[1] ?? '');
}

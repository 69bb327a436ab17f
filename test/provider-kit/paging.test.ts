import { expect, test } from 'vitest';
import { parseNextLink, readPages, type Page } from '../../src/provider-kit/paging.ts';

const toPage = (text: string, next: string | null): Page<{ id: string }> => ({ items: text.split('').map((id) => ({ id })), next });

async function read(pages: readonly Page<{ id: string }>[], mustBeComplete: boolean): Promise<{ texts: string[]; places: unknown[] }> {
  const places: unknown[] = [];
  const readPage = async (place: string | null): Promise<Page<{ id: string }>> => {
    places.push(place);
    return await Promise.resolve(pages[Math.min(places.length, pages.length) - 1]!);
  };
  const found = await Array.fromAsync(readPages(readPage, { call: 'GET /list', mustBeComplete }));
  return { texts: found.map((items) => items.map(({ id }) => id).join('')), places };
}

test.each([true, false])('every page is read, and each item given once (complete: %s)', async (mustBeComplete) => {
  const found = await read([toPage('ab', 'b'), toPage('bcd', 'd'), toPage('e', null)], mustBeComplete);
  expect(found).toEqual({ texts: ['ab', 'cd', 'e'], places: [null, 'b', 'd'] });
  expect(await read([toPage('', null)], mustBeComplete)).toEqual({ texts: [], places: [null] });
});

test.each([
  ['the same page', [toPage('ab', 'b')], ['ab'], 2],
  ['empty pages', [toPage('', 'x')], [], 1],
] as const)('a list that gives %s for ever ends, and is no proof of what it lacks', async (_, pages, texts, asked) => {
  const found = await read(pages, false);
  expect([found.texts, found.places.length]).toEqual([texts, asked]);
  await expect(read(pages, true)).rejects.toMatchObject({
    code: 'response-invalid',
    message: expect.stringContaining('nothing new') as string,
  });
});

test.each([
  ['<https://hub.example/api?cursor=2>; rel="next"', 'https://hub.example/api?cursor=2'],
  ['<https://hub.example/1>; rel="prev", <https://hub.example/a,b>; rel=next', 'https://hub.example/a,b'],
  ['<https://hub.example/1>; rel="last"', null],
  ['nothing; rel="next"', ''],
])('the next page of %s is %j', (link, next) => {
  expect(parseNextLink(new Headers({ link }))).toBe(next);
  expect(parseNextLink(new Headers())).toBeNull();
});

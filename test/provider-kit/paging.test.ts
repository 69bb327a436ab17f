import { expect, test } from 'vitest';
import { boundItems, listLimits, parseNextLink, readPages, type Page } from '../../src/provider-kit/paging.ts';

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

const endless = (count: number, note = ''): ((place: string | null) => Promise<Page<{ id: string }>>) => {
  let next = 0;
  return async () => {
    const items = Array.from({ length: count }, () => ({ id: String(next++), note }));
    return await Promise.resolve({ items, next: String(next) });
  };
};

test.each([
  ['pages', endless(1), `${listLimits.pages} pages`],
  ['items', endless(1000), `${listLimits.items} items`],
  ['bytes', endless(1, 'x'.repeat(8 * 2 ** 20)), '256 MiB'],
])('a list of ever new %s ends with an error that says so', async (_, readPage, limit) => {
  for (const mustBeComplete of [true, false]) {
    const all = Array.fromAsync(readPages(readPage, { call: 'GET /list', mustBeComplete }));
    await expect(all).rejects.toMatchObject({
      code: 'response-invalid',
      message: `GET /list: expected a list of at most ${limit}, found more`,
      hint: expect.stringContaining('without end') as string,
    });
  }
});

test('items that a client reads itself are bounded too', async () => {
  async function* count(most: number): AsyncGenerator<number> {
    for (let i = 0; i < most; i++) yield await Promise.resolve(i);
  }
  expect(await Array.fromAsync(boundItems(count(3), 'list'))).toEqual([0, 1, 2]);
  const all = Array.fromAsync(boundItems(count(Infinity), 'list model a/b'));
  await expect(all).rejects.toThrow('list model a/b: expected a list of at most 200000 items, found more');
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

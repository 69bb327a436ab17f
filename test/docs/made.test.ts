import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { madePages, makePage } from '../../docs/make.ts';

test.each(madePages.map((page) => [basename(page), page] as const))(
  '%s says what the code does: `npm run docs` mends it',
  async (_, page) => {
    const text = readFileSync(page, 'utf8');
    expect(text).toContain('<!-- made: ');
    expect(await format(makePage(text), { ...(await resolveConfig(page)), filepath: page })).toBe(text);
  },
);

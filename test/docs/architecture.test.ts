import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** Where a page names a file that is not there: a path of the project, or the target of a link. */
function findMissing(page: string, text: string): string[] {
  const paths = [...text.matchAll(/[` ]((?:src|providers|test|fixtures|docs|bench|bin|\.ci)\/[\w./-]*\w)(?=[` ])/g)];
  const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)];
  return [...paths.map(([, path]) => path!), ...links.map(([, path]) => join(dirname(page), path!))].filter((path) => !existsSync(path));
}

test.each(globSync(['*.md', 'docs/*.md']))('%s names only files that there are', (page) => {
  expect(findMissing(page, readFileSync(page, 'utf8'))).toEqual([]);
  expect(findMissing(page, '`src/run/none.ts`, [a page](none.md#part)')).toHaveLength(2);
});

test('the architecture fits on two screens, and a training begins within twelve files', () => {
  const lines = readFileSync('docs/architecture.md', 'utf8').split('\n');
  expect(lines.filter((line, number) => number > 120 || line.length > 140)).toEqual([]);
  expect(lines.filter((line) => /^\d+\. `(src|providers)\//.test(line)).length).toBeLessThanOrEqual(12);
});

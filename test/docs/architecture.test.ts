import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const pages = globSync(['*.md', 'docs/*.md']).sort();

/** Where a page names a file that is not there: a path of the project in backticks, or the target of a link. */
function findMissing(page: string, text: string): string[] {
  const paths = [...text.matchAll(/`((?:src|providers|test|fixtures|docs|bench|bin|\.ci)\/[\w./-]+)`/g)].map(([, path]) => path!);
  const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, path]) => join(dirname(page), path!));
  const walk = [...text.matchAll(/^ +[│▼] \w+ +((?:src|providers)\/[\w./-]+)/gm)].map(([, path]) => path!);
  return [...paths, ...links, ...walk].filter((path) => !existsSync(path));
}

test.each(pages)('%s names only files that there are', (page) => {
  expect(findMissing(page, readFileSync(page, 'utf8'))).toEqual([]);
});

test('a name without a file is found', () => {
  const text = '`src/run/nothing.ts` and [a page](none.md#part)\n     │ read       src/job/none.ts      JobSpec';
  expect(findMissing('docs/a.md', text)).toEqual(['src/run/nothing.ts', 'docs/none.md', 'src/job/none.ts']);
});

test('the architecture fits on two screens, and a training begins within twelve files', () => {
  const lines = readFileSync('docs/architecture.md', 'utf8').split('\n');
  expect(lines.length).toBeLessThanOrEqual(105);
  expect(lines.filter((line) => line.length > 140)).toEqual([]);
  expect(lines.filter((line) => /^\d+\. `(src|providers)\//.test(line)).length).toBeLessThanOrEqual(12);
});

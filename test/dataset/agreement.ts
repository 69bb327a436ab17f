/** Two readers of data files must give the same rows, and refuse the same lines: that of src, and a plain one in `oracle`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';
import { isFailure } from '../../src/errors.ts';
import { readTaskRows } from '../../src/dataset/task-rows.ts';
import { createScratchFolder } from '../scratch.ts';
import { files, type MadeFile } from './oracle/files.ts';
import { judge, type Verdict } from './oracle/judge-rows.ts';

/** What src makes of a file. */
async function read(path: string, { task, columns }: MadeFile): Promise<Verdict> {
  const rows: { line: number; row: object }[] = [];
  const refused: number[] = [];
  try {
    const onBadRow = (_: unknown, { line }: { readonly line: number }): void => void refused.push(line);
    for await (const { source: _, line, ...row } of readTaskRows([path], { task, columns }, { onBadRow })) rows.push({ line, row });
  } catch (error) {
    if (!isFailure(error, 'data-invalid')) throw error;
    const place = error.message.startsWith(path) ? error.message.slice(path.length) : '';
    return { fault: Number(/^:(\d+)/.exec(place)?.[1] ?? 0) };
  }
  return { rows, refused: refused.sort((a, b) => a - b) }; // fields are counted before rows are read
}

/** How many kinds of damage the files had, and the smallest file on which the readers disagree. */
export async function checkAgreement({ count, seed }: { readonly count: number; readonly seed: number }): Promise<{
  readonly kinds: number;
  readonly disagreement: string | null;
}> {
  const folder = createScratchFolder();
  const kinds = new Set<string>();
  const property = fc.asyncProperty(files, async (file) => {
    kinds.add(file.damage);
    const path = join(folder, file.name);
    writeFileSync(path, file.content);
    expect(await read(path, file)).toEqual(judge(file.name, file.content, file));
  });
  const { counterexample, errorInstance } = await fc.check(property, { numRuns: count, seed });
  if (counterexample === null) return { kinds: kinds.size, disagreement: null };
  const [{ name, task, columns, damage, content }] = counterexample;
  const message = errorInstance instanceof Error ? stripVTControlCharacters(errorInstance.message) : '';
  const file = `${name}, ${task} ${JSON.stringify(columns)}, damage: ${damage}`;
  return { kinds: kinds.size, disagreement: `${file}\n${JSON.stringify(content.toString('utf8'))}\n${message}` };
}

import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, toFileFailure } from '../../errors.ts';
import { quoteWord } from '../../lib/text.ts';
import { nameCommand, type Cli } from '../cli.ts';
import type { JobFlags } from './init-job.ts';
import { escapeLine, formatJson } from '../escape.ts';

/** What comes with the program: the same folder in a clone and in the package. */
export const fixtures = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../fixtures' : '../fixtures', import.meta.url));

/** Files of the sample by their places, and where the program has them. The job comes last: it is there once the rest is. */
const sample: readonly (readonly [place: string, source: string])[] = [
  ['models/tiny-bert', 'models/tiny-bert'],
  ['train.jsonl', 'sentiment/train.jsonl'],
  ['test.jsonl', 'sentiment/test.jsonl'],
  ['NOTICE.md', 'sentiment/NOTICE.md'],
  ['job.json', 'sentiment/job.json'],
];

interface InitFlags extends JobFlags {
  readonly sample?: boolean;
}

/** `orchestrate init --sample [FOLDER]` writes a job with its data and its model, ready to be submitted; `orchestrate init FILE` a job for own rows. */
export async function init(cli: Cli, [folder = '.']: readonly string[], flags: InitFlags): Promise<number> {
  if (flags.sample !== true) {
    const isFile = folder !== '.' && lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true;
    if (isFile) return await (await import('./init-job.ts')).initJob(cli, folder, flags);
    throw new Failure(
      'usage',
      'expected a file of rows, such as init tickets.csv; or init --sample, which writes a job with its data and its model',
    );
  }
  const target = resolve(folder);
  writeSample(target);
  const files = sample.map(([place]) => place);
  const job = relative('.', join(target, 'job.json'));
  if (cli.json) cli.terminal.print(formatJson({ folder: target, files, job }));
  else if (cli.quiet) cli.terminal.print(escapeLine(job));
  else {
    cli.terminal.print(escapeLine(`written to ${relative('.', target) || 'this folder'}: ${files.join(', ')}`));
    cli.terminal.print('the licences are in NOTICE.md (data: CC BY 4.0) and models/tiny-bert/NOTICE.md (model: Apache-2.0 and WordNet)');
    cli.terminal.print(escapeLine(`next: ${nameCommand(`submit ${quoteWord(job)} --wait`)}`));
  }
  return await Promise.resolve(0);
}

/**
 * Writes all files of the sample, or none: they are made under another name beside their places, and moved there at the end.
 * @throws Failure `usage` where one of them is there already
 */
export function writeSample(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new Failure('file-missing', `expected a folder, found a file: ${target}`);
  }
  const present = sample.map(([place]) => place).filter((place) => isThere(join(target, place)));
  if (present.length > 0) {
    throw new Failure('usage', `expected a folder without ${present.join(', ')}: nothing is overwritten, and nothing was written`, {
      hint: 'name another folder: init --sample FOLDER',
    });
  }
  if (!existsSync(join(fixtures, 'sentiment/train.jsonl'))) {
    throw new Failure('file-missing', `the sample is not there: ${fixtures}`, { hint: 'install the package again' });
  }
  const moved: string[] = [];
  let part: string | null = null;
  try {
    mkdirSync(target, { recursive: true });
    part = mkdtempSync(join(target, '.sample-'));
    for (const [place, source] of sample) {
      cpSync(join(fixtures, source), join(part, place), { recursive: true, filter: (path) => !path.endsWith('golden.json') }); // of the tests
    }
    const job = readFileSync(join(part, 'job.json'), 'utf8');
    writeFileSync(join(part, 'job.json'), job.replace('"../models/', '"./models/'));
    for (const [place] of sample) {
      mkdirSync(dirname(join(target, place)), { recursive: true });
      renameSync(join(part, place), join(target, place));
      moved.push(place);
    }
  } catch (error) {
    for (const place of moved) rmSync(join(target, place), { recursive: true, force: true });
    throw toFileFailure(error, 'sample', target);
  } finally {
    if (part !== null) rmSync(part, { recursive: true, force: true });
  }
}

/** Also a broken link takes a name. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Failure, isFailure, toFileFailure } from '../errors.ts';
import { parseJobText, type JobText } from '../job/job-text.ts';
import { detectFormat, type ConfigFormat } from './detect-format.ts';
import type { ImportedJob } from './imported-job.ts';
import { parseAutotrain } from './parse-autotrain.ts';
import { parseOpenaiBody } from './parse-openai-body.ts';
import { parseTogetherBody } from './parse-together-body.ts';
import { parseTrl } from './parse-trl.ts';
import { toPathText, type SourceContext } from './source.ts';

/** A configuration larger than this is a mistake. */
const mostBytes = 1_000_000;

const parsers: Readonly<Record<ConfigFormat, (content: unknown, context: SourceContext) => ImportedJob>> = {
  autotrain: parseAutotrain,
  trl: parseTrl,
  openai: parseOpenaiBody,
  together: parseTogetherBody,
};

async function readContent(path: string): Promise<string> {
  const refuse = (expected: string): Failure => new Failure('data-invalid', `${path}: expected ${expected}`);
  const bytes = await stat(path)
    .then((found) => {
      if (!found.isFile() && !found.isDirectory()) throw refuse('a file, found a pipe or a device');
      if (found.isFile() && found.size > mostBytes) throw refuse(`a configuration of at most 1 MB, found ${found.size} bytes`);
      return readFile(path);
    })
    .catch((error: unknown) => {
      throw toFileFailure(error, 'configuration', path);
    });
  if (bytes.length > mostBytes) throw refuse(`a configuration of at most 1 MB, found ${bytes.length} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Failure('data-invalid', `${path}: expected text in UTF-8, found bytes that are none`, { error });
  }
}

/** The syntax is that of job files: JSON or YAML, with bounded aliases, and no key twice. */
async function parseContent(text: string, path: string): Promise<JobText> {
  if (text.trim() === '') throw new Failure('data-invalid', `${path}: expected a configuration, found an empty file`);
  let parsed: JobText;
  try {
    parsed = await parseJobText(text, path);
  } catch (error) {
    if (!isFailure(error, 'job-file-invalid')) throw error;
    throw new Failure('data-invalid', error.message.replace(': expected a job, found', ': expected a configuration, found'), { error });
  }
  const [twice] = parsed.duplicates;
  if (twice === undefined) return parsed;
  const { line, column } = parsed.locate(twice);
  throw new Failure('data-invalid', `${path}:${line}:${column} ${toPathText(twice.map(String))}: expected a key once, found it twice`);
}

/**
 * Reads a configuration of another program or service (AutoTrain, TRL, OpenAI, Together; JSON or YAML) as a job. Paths in it are
 * looked for beside the file.
 * @param method what a TRL file is for, where its flags do not tell
 * @throws Failure `file-missing`, `permission-denied`, `data-invalid` with file, line, column and path of what is wrong
 */
export async function readConfig(path: string, { method }: { readonly method?: 'sft' | 'dpo' | undefined } = {}): Promise<ImportedJob> {
  const { value, locate } = await parseContent(await readContent(path), path);
  const folder = dirname(resolve(path));
  const context: SourceContext = {
    file: path,
    locate: (at) => {
      const { line, column } = locate(at);
      return `${path}:${line}:${column}`;
    },
    exists: (name) => existsSync(resolve(folder, name)),
    method,
  };
  return parsers[detectFormat(value, path)](value, context);
}

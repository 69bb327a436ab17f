import { existsSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Failure, toFileFailure, toSystemCode } from '../errors.ts';
import { readJobText } from '../job/job-text.ts';
import { isObject, parseJsonOr } from '../lib/json.ts';
import { autotrain } from './autotrain.ts';
import { axolotl } from './axolotl.ts';
import { parseConfig, type ConfigFormat, type ImportedJob } from './imported-job.ts';
import { formatJobFile } from './job-file-text.ts';
import { llamafactory } from './llamafactory.ts';
import { openai } from './openai.ts';
import type { ImportNote } from './source.ts';
import { together } from './together.ts';
import { trl } from './trl.ts';
import { isListed } from './unmatched.ts';

/** The formats of configurations that can be imported. */
export const formats = { autotrain, trl, llamafactory, axolotl, openai, together } as const satisfies Readonly<
  Record<string, ConfigFormat>
>;

type FormatName = keyof typeof formats;

/** Programs whose configurations are told by several keys together: of each list one. Those without a format are not read. */
const programs: readonly { readonly name: string; readonly format?: FormatName; readonly marks: readonly (readonly string[])[] }[] = [
  {
    name: 'LLaMA-Factory',
    format: 'llamafactory',
    marks: [['stage', 'finetuning_type', 'cutoff_len', 'dataset_dir'], ['model_name_or_path'], ['finetuning_type', 'template', 'dataset']],
  },
  { name: 'axolotl', format: 'axolotl', marks: [['base_model'], ['datasets', 'sequence_len', 'micro_batch_size', 'adapter']] },
  { name: 'torchtune', marks: [['tokenizer', 'model'], ['checkpointer']] },
  { name: 'Unsloth', marks: [['max_seq_length'], ['load_in_4bit'], ['model_name'], ['use_gradient_checkpointing']] },
  { name: 'LitGPT', marks: [['checkpoint_dir'], ['lora_r', 'train', 'devices']] },
  { name: 'MLX', marks: [['model'], ['fine_tune_type', 'num_layers', 'lora_parameters'], ['iters', 'data', 'adapter_path']] },
];

/**
 * The format of a parsed file, by its keys.
 * @throws Failure `data-invalid` that lists the formats, where none fits or several do
 */
export function detectFormat(content: unknown, file: string): FormatName {
  const keys = isObject(content) ? Object.keys(content) : [];
  const other = programs.find(({ marks }) => marks.every((any) => any.some((key) => keys.includes(key))));
  if (other?.format !== undefined) return other.format;
  if (other !== undefined) {
    const list = Object.values(formats).map(({ title }) => `\n  ${title}`);
    throw new Failure(
      'data-invalid',
      `${file}: expected one of these, found a configuration of ${other.name}, which is not read${list.join('')}`,
      {
        hint: 'write a job file with the same model, data and settings; `orchestrate init --sample` makes one to begin with',
      },
    );
  }
  const isCall = keys.includes('training_file'); // both services' calls have it
  const candidates: readonly FormatName[] = isCall ? ['openai', 'together'] : ['autotrain', 'trl'];
  const found = candidates.filter((name) => keys.some((key) => isListed(formats[name].marks, key)));
  // A call of two or three fields fits both services: models of Together are called owner/name.
  if (isCall && found.length === 0) return String((content as { model?: unknown }).model).includes('/') ? 'together' : 'openai';
  const [format] = found;
  if (format !== undefined && found.length === 1) return format;
  const reason = format === undefined ? 'keys of none of them' : `keys of several: ${found.join(', ')}`;
  const list = Object.values(formats).map(({ title }) => `\n  ${title}`);
  throw new Failure('data-invalid', `${file}: expected one of these, found ${reason}${list.join('')}`);
}

/** Of a file beside a configuration. */
const mostBytes = 2 ** 24;

interface ReadOptions {
  /** The command of a TRL file, where its flags do not say. */
  readonly method?: 'sft' | 'dpo' | undefined;
  /** The folder of the job file, from which its paths start; the configuration's own when absent. */
  readonly to?: string | undefined;
}

/**
 * Reads a configuration of another program or service (AutoTrain, TRL, LLaMA-Factory, axolotl, OpenAI, Together; JSON or YAML) as a job. Its
 * paths start at its own folder.
 * @throws Failure `file-missing`, `permission-denied`, `data-invalid` with file, line, column and path of what is wrong
 */
export async function readConfig(path: string, { method, to }: ReadOptions = {}): Promise<ImportedJob> {
  const { value, duplicates, locate } = await readJobText(path, { name: 'configuration', code: 'data-invalid' });
  const formatPlace = (at: readonly PropertyKey[]): string => {
    const { line, column } = locate(at);
    return `${path}:${line}:${column}`;
  };
  const [twice] = duplicates;
  if (twice !== undefined) {
    throw new Failure('data-invalid', `${formatPlace(twice)} ${twice.map(String).join('.')}: expected a key once, found it twice`);
  }
  const folder = resolve(dirname(path));
  const relocate = (name: string): string => {
    const moved = to === undefined || name.startsWith('/') ? name : relative(to, resolve(folder, name));
    return /^\.{0,2}\//.test(moved) ? moved : `./${moved}`;
  };
  const exists = (name: string): boolean => existsSync(resolve(folder, name));
  const readJson = (name: string): unknown => {
    const from = resolve(folder, name);
    return existsSync(from) && statSync(from).size < mostBytes ? parseJsonOr(readFileSync(from, 'utf8'), null) : null;
  };
  const format = formats[detectFormat(value, path)];
  return parseConfig(format, value, { file: path, locate: formatPlace, exists, readJson, relocate, method });
}

/**
 * Writes the configuration of another program as a job file, `job.jsonc` beside it where no other path is given.
 * @param out the path of the job file, or of the folder for it
 * @param method the command of a TRL file, where its flags do not say
 * @returns also the files and folders that the job names and that are not there, as paths from the current folder
 * @throws Failure `usage` where there is a file already, and as `readConfig`
 */
export async function importConfig(
  path: string,
  { out, method }: { readonly out: string | null; readonly method?: 'sft' | 'dpo' | undefined },
): Promise<{ path: string; notes: readonly ImportNote[]; absent: readonly string[] }> {
  const to = out === null ? join(dirname(path), 'job.jsonc') : /\.jsonc?$/i.test(out) ? out : join(out, 'job.jsonc');
  const job = await readConfig(path, { method, to: resolve(dirname(to)) });
  await writeFile(to, formatJobFile(job), { flag: 'wx' }).catch((error: unknown) => {
    if (toSystemCode(error) !== 'EEXIST') throw toFileFailure(error, 'job file', to);
    throw new Failure('usage', `${to}: the file exists already`, { hint: 'name another with --out' });
  });
  return { path: to, notes: job.notes, absent: listAbsent(job, dirname(to)) };
}

function listAbsent({ data, target }: ImportedJob, folder: string): string[] {
  const { train, validation, test } = data;
  const named = [train, validation, typeof test === 'string' ? test : null, target.model].flat();
  const paths = named.filter((name) => typeof name === 'string' && /^\.{0,2}\//.test(name)) as string[];
  return paths.map((name) => (name.startsWith('/') ? name : join(folder, name))).filter((path) => !existsSync(path));
}

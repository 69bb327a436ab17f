/** Which files of a dataset of the Hub are meant: by the configurations of its card, or by their names, as the library datasets has it. */
import { matchesGlob } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import { formatValue } from '../../src/lib/text.ts';

/** `hub:owner/name[@revision][:file]`, or with `#split` or `#configuration/split`. */
export interface DatasetName {
  readonly repository: string;
  /** A branch, a tag or a commit; null: the main branch. */
  readonly revision: string | null;
  /** What of it is meant; null: the only part that it has. */
  readonly choice: string | null;
}

/** @throws Failure `job-file-invalid` */
export function parseDatasetName(source: string): DatasetName {
  const found = /^hub:([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?(?:[#:](.+))?$/.exec(source);
  if (found !== null) return { repository: found[1]!, revision: found[2] ?? null, choice: found[3] ?? null };
  throw new Failure('job-file-invalid', `expected a dataset of the Hub such as hub:owner/name#train, found ${formatValue(source)}`);
}

const Paths = z.union([z.string(), z.array(z.string())]);
const DataFile = z.looseObject({ split: z.string().optional(), path: Paths });
const Configuration = z.looseObject({
  config_name: z.string().default('default'),
  data_dir: z.string().optional(),
  data_files: z.union([z.string(), z.array(z.union([z.string(), DataFile])), DataFile]).optional(),
});

/** The part of a card that says which files are which split. */
export const Configurations = z.array(z.unknown()).catch([]);

/** A split of a dataset, `config` is null where the card names no configurations. */
interface Split {
  readonly config: string | null;
  readonly name: string;
  readonly files: readonly string[];
}

interface Repository extends DatasetName {
  /** All files of the repository. */
  readonly paths: readonly string[];
  /** `configs` of the card. */
  readonly configurations: readonly unknown[];
}

const readable = /\.(?:jsonl|ndjson|jsonlines|json|csv|tsv|tab|parquet|pq)(?:\.gz)?$/i;
/** What describes a dataset, and files that tools write beside it. */
const described = /^(?:|.*\/)(?:dataset_infos?|dataset_dict|state|config|\w*metadata|package|tokenizer\w*)\.json$|(?:^|\/)[._]/i;

/** The files that are meant, in the order of their names. @throws Failure `job-file-invalid` where none or several parts are meant */
export function chooseFiles(repository: Repository): readonly string[] {
  const { paths, choice } = repository;
  const called = formatCalled(repository);
  if (choice !== null && paths.includes(choice)) {
    if (readable.test(choice)) return [choice];
    throw new Failure(
      'job-file-invalid',
      `${called}: expected a file that ends in .jsonl, .json, .csv, .tsv or .parquet, found ${choice}`,
      {
        hint: `Name a part of the dataset, such as ${formatRepository(repository)}#train, or another one of its files.`,
      },
    );
  }
  const data = paths.filter((path) => readable.test(path) && !described.test(path)).sort();
  if (data.length === 0) throw createNoDataFailure(repository);
  const splits = findSplits(repository, data);
  const meant = choice === null ? splits : splits.filter((split) => isMeant(split, choice));
  const [only, ...others] = meant;
  if (only === undefined || others.length > 0) {
    const found = only === undefined ? `found no ${formatValue(choice)} in it` : `found ${meant.length} that can be meant`;
    const shown = (only === undefined ? splits : meant).map((split) => `${formatRepository(repository)}#${formatSplit(split)}`);
    const list = shown.length > 10 ? `${shown.slice(0, 10).join(', ')} and ${shown.length - 10} more` : shown.join(', ');
    throw new Failure('job-file-invalid', `${called}: expected one part of the dataset, ${found}`, {
      hint: `Name one of ${list}; or one of its files, such as ${formatRepository(repository)}:${data[0]!}`,
    });
  }
  const files = only.files.filter((path) => data.includes(path));
  const endings = new Set(files.map((path) => readable.exec(path)![0].toLowerCase()));
  if (endings.size === 1) return files;
  throw new Failure(
    'job-file-invalid',
    `${called}: expected files of one format in it, found ${[...endings].join(', ') || 'none that is read'}`,
    {
      hint: `Name one of its files, such as ${formatRepository(repository)}:${only.files[0] ?? data[0]!}`,
    },
  );
}

function formatRepository({ repository, revision }: DatasetName): string {
  return `hub:${repository}${revision === null ? '' : `@${revision}`}`;
}

export function formatCalled(name: DatasetName): string {
  return `${formatRepository(name)}${name.choice === null ? '' : `#${name.choice}`}`;
}

function formatSplit({ config, name }: Split): string {
  return config === null ? name : `${config}/${name}`;
}

/** `split` is enough where one configuration has it; where several do, all of them can be meant. */
function isMeant(split: Split, choice: string): boolean {
  return choice === formatSplit(split) || choice === split.name || (split.config === null && choice === `default/${split.name}`);
}

function findSplits({ configurations, paths }: Repository, data: readonly string[]): Split[] {
  const described = configurations.flatMap((found) => {
    const { data: parsed } = Configuration.safeParse(found);
    return parsed === undefined ? [] : findConfigured(parsed, paths);
  });
  if (described.length > 0) return described;
  // The Hub's own copies, and repositories that are laid out like them: CONFIGURATION/SPLIT/0000.parquet.
  const inFolders = data.map((path) => /^([^/]+)\/(?:partial-)?([^/]+)\/\d{4}\.parquet$/.exec(path));
  if (inFolders.every((found) => found !== null)) {
    const groups = Map.groupBy(inFolders, ([, config, name]) => `${config!}/${name!}`);
    return [...groups.values()].map((found) => ({ config: found[0]![1]!, name: found[0]![2]!, files: found.map(([path]) => path) }));
  }
  const bySplit = Map.groupBy(data, findSplitName);
  const files = bySplit.size > 1 ? [...bySplit].filter(([name]) => name !== null) : [...bySplit];
  return files.map(([name, own]) => ({ config: null, name: name ?? 'train', files: own }));
}

function findConfigured(configuration: z.infer<typeof Configuration>, paths: readonly string[]): Split[] {
  const { config_name: config, data_dir: folder, data_files: files } = configuration;
  const toFiles = (patterns: string | readonly string[]): string[] => {
    const wanted = [patterns].flat().map((pattern) => (folder === undefined ? pattern : `${folder.replace(/\/$/, '')}/${pattern}`));
    return paths.filter((path) => wanted.some((pattern) => path === pattern || matchesGlob(path, pattern))).sort();
  };
  if (files === undefined) {
    const own = folder === undefined ? [] : paths.filter((path) => path.startsWith(`${folder.replace(/\/$/, '')}/`) && readable.test(path));
    return [...Map.groupBy(own, findSplitName)].map(([name, found]) => ({ config, name: name ?? 'train', files: found.sort() }));
  }
  const named = [files]
    .flat()
    .map((file) => (typeof file === 'string' ? { split: 'train', path: file } : { split: file.split ?? 'train', path: file.path }));
  const bySplit = Map.groupBy(named, ({ split }) => split);
  return [...bySplit].map(([name, own]) => ({ config, name, files: [...new Set(own.flatMap(({ path }) => toFiles(path)))] }));
}

const splitNames: Readonly<Record<string, readonly string[]>> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
};

/** The split that a path names, by the words of datasets; null: none. */
function findSplitName(path: string): string | null {
  const words = path
    .toLowerCase()
    .replace(readable, '')
    .split(/[/_.\- 0-9]+/);
  for (const [name, own] of Object.entries(splitNames)) if (own.some((word) => words.includes(word))) return name;
  return null;
}

function createNoDataFailure(repository: Repository): Failure {
  const { paths } = repository;
  const called = formatCalled(repository);
  const expected = `${called}: expected files that end in .jsonl, .json, .csv, .tsv or .parquet`;
  const name = repository.repository.split('/')[1]!;
  if (paths.includes(`${name}.py`)) {
    return new Failure('job-file-invalid', `${expected}, found a program, ${name}.py, that makes the rows and is not run`, {
      hint: `Most such datasets have a copy as Parquet, made by the Hub: name it as hub:${repository.repository}@refs/convert/parquet`,
    });
  }
  const endings = [...new Set(paths.filter((path) => !/(?:^|\/)[._]|\.md$/i.test(path)).map((path) => /\.\w+$/.exec(path)?.[0] ?? path))];
  const found = endings.length === 0 ? 'none' : `only ${endings.slice(0, 5).join(', ')}`;
  return new Failure('job-file-invalid', `${expected}, found ${found}`, {
    hint: `Most public datasets have a copy as Parquet, made by the Hub: name it as hub:${repository.repository}@refs/convert/parquet`,
  });
}

import { isObject } from '../lib/json.ts';
import { readText, requireText, type Source } from './source.ts';

/** Models and data as the programs of Hugging Face name them: an existing path, else a name of the Hub. */

const isPath = (name: string): boolean => /^(\.{1,2}\/|\/)/.test(name);

function isLocal(source: Source, name: string): boolean {
  return isPath(name) || (source.context.exists?.(name) ?? false);
}

/** A path from the source's folder. @throws Failure `data-invalid` for what is not a path */
function parseLocalPath(source: Source, path: string, name: string): string {
  if (name.startsWith('~') || /^\w+:\/\//.test(name) || /^\.{0,2}\/+$/.test(name)) {
    source.refuse(path, 'a path, or a name of the Hub as "owner/name"', 'Download the files, and name their folder.');
  }
  const trimmed = name.replace(/\/+$/, '');
  return isPath(trimmed) ? trimmed : `./${trimmed}`;
}

/** The same path from the job file's folder. */
function relocate({ context }: Source, path: string): string {
  return context.relocate?.(path) ?? path;
}

/** The path of a file, as the source names it. */
export function readFilePath(source: Source, path: string): string {
  return relocate(source, parseLocalPath(source, path, requireText(source, path, 'the path of a file')));
}

export const pathNote = 'paths start at the job file';

/**
 * The model at `path`, with the revision at `revisionPath` where there is one.
 * @throws Failure `data-invalid` where there is no model, or its name or revision cannot be one
 */
export function readModel(source: Source, path: string, revisionPath?: string): string {
  const name = requireText(source, path, 'the name of a model or its folder');
  const revision = revisionPath === undefined ? undefined : readText(source, revisionPath);
  if (isLocal(source, name) || !/^[\w.-]+(\/[\w.-]+)?$/.test(name)) {
    source.note(path, 'targets.model', `a folder; ${pathNote}`);
    if (revisionPath !== undefined) source.drop(revisionPath, 'folders have no revisions');
    return relocate(source, parseLocalPath(source, path, name));
  }
  const folder = name.includes('/') ? '' : `; if it is a folder, write "./${name}"`;
  source.note(path, 'targets.model', `a model of the Hub, marked by "hub:"${folder}`);
  if (revision === undefined || revisionPath === undefined) return `hub:${name}`;
  if (!/^[\w./-]+$/.test(revision)) source.refuse(revisionPath, 'a branch, tag or commit');
  source.note(revisionPath, 'targets.model', 'after "@" in the name of the model');
  return `hub:${name}@${revision}`;
}

/** Where a source names a part of its data. */
export interface Split {
  readonly field: 'data.train' | 'data.validation';
  /** Of the dataset's name. */
  readonly path: string;
  readonly splitPath: string;
  /** Of the dataset's configuration; where absent, the configuration may be in the split's name, before a colon. */
  readonly configPath?: string;
  /** Endings of the files that the program tries in a folder, in its order. */
  readonly endings: readonly string[];
  /** The ending to write where no such file is found. */
  readonly usual: string;
  /** What else a person should know about the split. */
  readonly remark?: string;
}

/**
 * The rows of a split: a dataset of the Hub, a file, or the split's file in a folder.
 * @throws Failure `data-invalid` for an impossible name, and for a slice of a split: the training would have other rows
 */
export function readSplit(source: Source, at: Split): { readonly rows: string; readonly isLocal: boolean } {
  const { field, path, splitPath, configPath, remark = '' } = at;
  const isTrain = field === 'data.train';
  const words = (readText(source, splitPath) ?? (isTrain ? 'train' : 'test')).split(':');
  const isPrefixed = configPath === undefined && words.length > 1;
  const config = configPath === undefined ? (isPrefixed ? words[0] : undefined) : readText(source, configPath);
  const split = (isPrefixed ? words.slice(1) : words).join(':');
  const name = requireText(source, path, 'the name of a dataset or its folder');
  const found = !isLocal(source, name) && /^[\w.-]+\/[\w.-]+$/.test(name) ? null : findFile(source, { ...at, split }, name);
  const isNamed = (part: string): boolean => /^[\w.-]+$/.test(part);
  if (found?.isFile !== true && !(isNamed(split) && (found !== null || isNamed(config ?? 'default')))) {
    source.refuse(splitPath, 'the name of a split', 'A job has no slices: save the rows to a file and name that.');
  }
  const assumed = config === undefined ? '; the source names no configuration: "default" is assumed' : '';
  const text = found?.text ?? `a dataset of the Hub with its split${assumed}`;
  if (isTrain) source.note(path, field, text);
  if (isTrain && configPath !== undefined) {
    if (found === null) source.note(configPath, field, 'after "#" in the name of the dataset');
    else source.drop(configPath, 'a configuration of a dataset of the Hub; the data is local');
  }
  source.note(splitPath, field, isTrain ? null : text + remark);
  source.assume(splitPath, field, { value: split, text: 'the split that the program reads' });
  return { rows: found === null ? `hub:${name}#${config ?? 'default'}/${split}` : relocate(source, found.file), isLocal: found !== null };
}

/** A file by its own name, or the split's file in a folder of this name. */
function findFile(
  source: Source,
  { path, split, endings, usual }: Split & { readonly split: string },
  name: string,
): { readonly file: string; readonly isFile: boolean; readonly text: string } {
  const local = parseLocalPath(source, path, name);
  if (/\.(jsonl?|ndjson|csv|tsv|parquet)(\.gz)?$/i.test(local)) return { file: local, isFile: true, text: pathNote };
  const ending = endings.find((end) => source.context.exists?.(`${local}/${split}${end}`) === true);
  const check = ending === undefined ? '; the source names the folder only: check the name of the file' : '';
  const hub = name.includes('/') ? '' : '; for a dataset of the Hub write hub:owner/name#config/split';
  return { file: `${local}/${split}${ending ?? usual}`, isFile: false, text: `the split's file in that folder; ${pathNote}${check}${hub}` };
}

/** What programs on transformers read in a folder. */
export const usualFiles = { endings: ['.jsonl', '.csv'], usual: '.jsonl' };

/** One dataset of several: a name of the Hub, a folder, or files that a builder such as `json` reads. */
export function readMixed(source: Source, at: string, field: Split['field'] = 'data.train'): string[] {
  if (!isObject(source.get(at))) source.refuse(at, 'an object with "path"');
  const [path, splitPath, configPath, filesPath] = [`${at}.path`, `${at}.split`, `${at}.name`, `${at}.data_files`];
  const name = requireText(source, path, 'the name of a dataset');
  if (field === 'data.validation') source.note(path, field);
  const listed = source.get(filesPath) ?? undefined;
  if (listed === undefined) return [readSplit(source, { path, splitPath, configPath, field, ...usualFiles }).rows];
  const hint = 'A job names whole splits: save the rows to a file and name that.';
  if (!/^(json|csv|parquet)$/.test(name)) source.refuse(filesPath, 'no files of a dataset by name', hint);
  source.note(path, field);
  source.note(splitPath, field, 'all rows of the files');
  const paths = Array.isArray(listed) ? listed.map((_, i) => `${filesPath}.${i}`) : [filesPath];
  return paths.map((file) => {
    source.note(file, field, pathNote);
    return readFilePath(source, file);
  });
}

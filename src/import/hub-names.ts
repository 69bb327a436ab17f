import { carry, convert, leave } from './notes.ts';
import { readText, requireText, toRefusal, type Source, type SourcePath } from './source.ts';

/** Models and data as the programs of Hugging Face name them: an existing path, else a name of the Hub. */

const hubName = /^(?!\.{1,2}\/)[\w.-]+\/[\w.-]+$/;
const dataFile = /\.(jsonl|csv|tsv|parquet)(\.gz)?$/i;

function isFolder(source: Source, name: string): boolean {
  if (/^(\.{1,2}\/|\/)/.test(name)) return true;
  return source.context.exists?.(name) ?? false;
}

function toLocalPath(source: Source, path: SourcePath, name: string): string {
  if (name.startsWith('~') || /^\w+:\/\//.test(name) || /^\.{0,2}\/+$/.test(name)) {
    throw toRefusal(source, path, 'a path, or a name of the Hub as "owner/name"', 'Fetch the files, and name their folder.');
  }
  const trimmed = name.replace(/\/+$/, '');
  return /^(\.{1,2}\/|\/)/.test(trimmed) ? trimmed : `./${trimmed}`;
}

const pathNote = 'paths start at the job file';

/**
 * The model of `path`, with the revision at `revision` where there is one; notes both.
 * @throws Failure `data-invalid` where there is no model, or its name or revision cannot be one
 */
export function readModel(source: Source, path: SourcePath, revisionPath?: SourcePath): string {
  const name = requireText(source, path, 'the name of a model or its folder');
  const revision = revisionPath === undefined ? undefined : readText(source, revisionPath);
  if (isFolder(source, name) || !/^[\w.-]+(\/[\w.-]+)?$/.test(name)) {
    convert(source, path, { field: 'targets.model', text: `a folder; ${pathNote}` });
    if (revisionPath !== undefined) leave(source, revisionPath, 'folders have no revisions');
    return toLocalPath(source, path, name);
  }
  const folder = name.includes('/') ? '' : `; where it is a folder write "./${name}"`;
  convert(source, path, { field: 'targets.model', text: `a model of the Hub; "hub:" says so${folder}` });
  if (revision === undefined || revisionPath === undefined) return `hub:${name}`;
  if (!/^[\w./-]+$/.test(revision)) throw toRefusal(source, revisionPath, 'a branch, tag or commit');
  convert(source, revisionPath, { field: 'targets.model', text: 'after "@" in the name of the model' });
  return `hub:${name}@${revision}`;
}

/** One part of a dataset: where its name, its configuration and its split stand, and what they are. */
export interface DataPart {
  readonly path: SourcePath;
  readonly config?: string | undefined;
  readonly split: string;
  readonly splitPath: SourcePath;
  /** Endings of the files that the program looks for in a folder, the first one first. */
  readonly endings: readonly string[];
  /** The ending that is written where no such file is found. */
  readonly usual: string;
}

/** Where the rows of a part are, and the reason for it. */
export interface PartSource {
  readonly at: string;
  readonly isLocal: boolean;
  readonly text: string;
}

/**
 * @throws Failure `data-invalid` for a name that is none, and for a split that is a slice: other rows would be trained on
 */
export function readPart(source: Source, { path, config, split, splitPath, endings, usual }: DataPart): PartSource {
  const name = requireText(source, path, 'the name of a dataset or its folder');
  if (!isFolder(source, name) && hubName.test(name)) {
    if (!/^[\w.-]+$/.test(split) || (config !== undefined && !/^[\w.-]+$/.test(config))) {
      throw toRefusal(source, splitPath, 'the name of a split', 'A slice cannot be carried over: save its rows to a file and name that.');
    }
    const assumed = config === undefined ? '; the source names no configuration: "default" is assumed' : '';
    return { at: `hub:${name}#${config ?? 'default'}/${split}`, isLocal: false, text: `a dataset of the Hub with its split${assumed}` };
  }
  const local = toLocalPath(source, path, name);
  if (dataFile.test(local)) return { at: local, isLocal: true, text: pathNote };
  if (!/^[\w.-]+$/.test(split)) {
    throw toRefusal(source, splitPath, 'the name of a split', 'A slice cannot be carried over: save its rows to a file and name that.');
  }
  const found = endings.map((ending) => `${local}/${split}${ending}`).find((file) => source.context.exists?.(file) === true);
  const looked = found === undefined ? `; check the name of the file: the source only names the folder` : '';
  const owner = name.includes('/') ? '' : '; for a dataset of the Hub write hub:owner/name#config/split';
  return { at: found ?? `${local}/${split}${usual}`, isLocal: true, text: `the split's file in that folder; ${pathNote}${looked}${owner}` };
}

/** The path of a file, from where the job file is. @throws Failure `data-invalid` for what is no path */
export function readFilePath(source: Source, path: SourcePath): string {
  return toLocalPath(source, path, requireText(source, path, 'the path of a file'));
}

/** Notes a part's name and split under the job's field. */
export function notePart(source: Source, part: DataPart, { field, found }: { field: string; found: PartSource }): void {
  convert(source, part.path, { field, text: found.text });
  carry(source, part.splitPath, field);
}

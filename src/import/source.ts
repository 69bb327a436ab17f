import { Failure, isFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { isSecret, mask, maskSecrets } from './mask-secrets.ts';

/**
 * What became of one field of a configuration: `carried` to our name unchanged, `converted` (the text says how and why), `unmatched` (it
 * has no equal, and only this note keeps it), or `absent`: the source does not set it, its program uses `value`, and another program may
 * choose differently.
 */
export interface ImportNote {
  readonly kind: 'carried' | 'converted' | 'unmatched' | 'absent';
  /** Where it is in the source, such as `params.lr`; for `absent` where it would be, or in parentheses what the source has no field for. */
  readonly path: string;
  /** The field of the job that it became, or that has the same meaning, such as `training.learningRate`; null where there is none. */
  readonly field: string | null;
  /** The source's value as plain JSON, with secrets masked. */
  readonly value: unknown;
  readonly text: string | null;
}

export type Fields = Readonly<Record<string, unknown>>;

/** Keys from the top of a configuration, joined by dots; a list of keys where one may contain a dot. */
export type Path = string | readonly string[];

/** Where a configuration comes from. */
export interface SourceContext {
  /** Names it in messages. */
  readonly file: string;
  /** Where a field is, such as `config.yml:3:5`. */
  locate?(path: readonly string[]): string;
  /** Whether there is a file or folder of this path; a name without one is taken for a name of the Hub. */
  exists?(path: string): boolean;
  /** The content of a file of JSON; null where there is none. */
  readJson?(path: string): unknown;
  /** A path from the configuration's folder as a path from the job file's. */
  relocate?(path: string): string;
  /** The command of a TRL file, where its keys do not decide. */
  readonly method?: 'sft' | 'dpo' | undefined;
}

/** A configuration of another program while it is read, with notes of what became of its fields. */
export interface Source {
  readonly context: SourceContext;
  /** The value at a path, null included; undefined where there is none. */
  get(path: Path): unknown;
  /** An object whose members are fields of their own; any other object is one field. @throws Failure `data-invalid` for other values */
  open(path: Path): Fields | undefined;
  /** A path with its file and place, as messages begin. */
  locate(path: Path): string;
  /** @throws Failure `data-invalid` that names the field, what was expected and what is there */
  refuse(path: Path, expected: string, hint?: string): never;
  /** Notes that a field, if it is set, became this field of the job: with the same value, or converted as the text says. */
  note(path: Path, field: string, text?: string | null): void;
  /** Notes why a field, if it is there, has no equal in a job. */
  drop(path: Path, text: string): void;
  /** Notes which value the source's program uses, if the field is not there. */
  assume(path: Path, field: string | null, assumed: { readonly value: unknown; readonly text: string }): void;
  /**
   * One or more notes for every field in the source's order, then the assumptions.
   * @param explain says why a field without a note has no equal in a job
   */
  listNotes(explain: (name: string, value: unknown) => string): ImportNote[];
}

function toKeys(path: Path): readonly string[] {
  return typeof path !== 'string' ? path : path === '' ? [] : path.split('.');
}

function formatPath(path: Path): string {
  const keys = toKeys(path).map((key) => (isSecret(key, '') ? mask : key));
  return keys.join('.');
}

/** Names a path without doubt, whatever its keys contain. */
function toId(path: Path): string {
  return JSON.stringify(toKeys(path));
}

/** @throws Failure `data-invalid` for content that is not an object of JSON values */
export function openSource(content: unknown, context: SourceContext): Source {
  const fields = copyContent(content, context.file);
  const drafts = new Map<string, Pick<ImportNote, 'kind' | 'field' | 'text'>[]>();
  const absent: ImportNote[] = [];
  const opened = new Set(['[]']); // objects whose members are fields of their own

  const get = (path: Path): unknown => {
    let value: unknown = fields;
    for (const key of toKeys(path)) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Fields)[key];
    }
    return value;
  };
  const locate = (path: Path): string => {
    const name = formatPath(path);
    const place = context.locate === undefined ? `${context.file}:` : context.locate(toKeys(path));
    return name === '' ? place : `${place} ${name}:`;
  };
  const refuse = (path: Path, expected: string, hint?: string): never => {
    const found = formatValue(maskSecrets(get(path), toKeys(path).at(-1) ?? ''));
    const message = `${locate(path)} expected ${expected}, found ${found}`;
    throw new Failure('data-invalid', message, hint === undefined ? {} : { hint });
  };
  const add = (path: Path, draft: Pick<ImportNote, 'kind' | 'field' | 'text'>): void => {
    if (get(path) === undefined) return;
    const keys = toKeys(path);
    for (const length of keys.keys()) opened.add(toId(keys.slice(0, length)));
    drafts.set(toId(path), [...(drafts.get(toId(path)) ?? []), draft]);
  };
  return {
    context,
    get,
    locate,
    refuse,
    open(path) {
      opened.add(toId(path));
      const value = get(path) ?? undefined;
      return value === undefined || isObject(value) ? value : refuse(path, 'an object');
    },
    note(path, field, text = null) {
      if (get(path) !== null) add(path, { kind: text === null ? 'carried' : 'converted', field, text });
    },
    drop: (path, text) => add(path, { kind: 'unmatched', field: null, text }),
    assume(path, field, { value, text }) {
      if ((get(path) ?? null) === null) absent.push({ kind: 'absent', path: formatPath(path), field, value, text });
    },
    listNotes(explain) {
      const visit = (value: unknown, path: readonly string[]): ImportNote[] => {
        const name = path.at(-1) ?? '';
        const own = drafts.get(toId(path));
        const isOpened = own === undefined && opened.has(toId(path)) && typeof value === 'object' && value !== null;
        const members = isOpened ? Object.entries(value) : [];
        if (members.length > 0) return members.flatMap(([key, item]) => visit(item, [...path, key]));
        const text = value === null || isOpened ? 'nothing is set' : explain(name, value);
        const notes = own ?? [{ kind: 'unmatched' as const, field: null, text }];
        return notes.map((note) => ({ ...note, path: formatPath(path), value: maskSecrets(value, name) }));
      };
      return [...visit(fields, []), ...absent];
    },
  };
}

/** A copy that is plain JSON; numbers that JSON does not have become text, so that no field accepts them. */
function copyContent(content: unknown, file: string): Fields {
  const refuse = (expected: string, found: string): Failure => new Failure('data-invalid', `${file}: expected ${expected}, found ${found}`);
  const replace = (key: string, value: unknown): unknown => {
    if (key === '<<' || key === '__proto__') throw refuse('every field written out', `"${key}"`);
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  };
  if (!isObject(content)) throw refuse('an object of settings', formatValue(content));
  try {
    return JSON.parse(JSON.stringify(content, replace)) as Fields;
  } catch (error) {
    throw isFailure(error) ? error : refuse('plain values of JSON', 'a circle or too many levels');
  }
}

/** A text on one line; undefined where the field is absent or null. @throws Failure `data-invalid` for anything else */
export function readText(source: Source, path: Path): string | undefined {
  const value = source.get(path) ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.trim() === '') source.refuse(path, 'a text');
  if (isSecret(value, toKeys(path).at(-1) ?? '')) source.refuse(path, 'a name or path, not a credential');
  if (!/^[^\p{Cc}\p{Surrogate}\u2028\u2029]{1,1000}$/u.test(value)) source.refuse(path, 'at most 1000 characters on one line');
  return value;
}

/** The same where the field is required. */
export function requireText(source: Source, path: Path, expected: string): string {
  return readText(source, path) ?? source.refuse(path, expected);
}

/** A finite number. One in quotes counts too: readers of YAML 1.1 read `1e-5` as text. */
export function readNumber(source: Source, path: Path): number | undefined {
  const value = source.get(path) ?? undefined;
  if (value === undefined || typeof value === 'number') return value;
  const isNumeric = typeof value === 'string' && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value);
  const number = isNumeric ? Number(value) : NaN;
  return Number.isFinite(number) ? number : source.refuse(path, 'a number');
}

/** True or false, or one of YAML 1.1's words for them. */
export function readFlag(source: Source, path: Path): boolean | undefined {
  const value = source.get(path) ?? undefined;
  if (value === undefined || typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (['true', 'yes', 'on'].includes(word)) return true;
  return ['false', 'no', 'off'].includes(word) ? false : source.refuse(path, 'true or false');
}

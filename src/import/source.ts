import { Failure } from '../errors.ts';
import type { ImportNote } from './imported-job.ts';
import { isSecret, mask, maskSecrets } from './mask-secrets.ts';

export type SourcePath = readonly string[];

/** Where a configuration comes from. */
export interface SourceContext {
  /** Names it in messages. */
  readonly file: string;
  /** Where a field stands, such as `config.yml:3:5`. */
  locate?(path: SourcePath): string;
  /** Whether there is a file or folder of this path; a name that is none is taken for one of the Hub. */
  exists?(path: string): boolean;
  /** What a TRL file is for, where its keys do not tell. */
  readonly method?: 'sft' | 'dpo' | undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

interface Draft {
  readonly kind: ImportNote['kind'];
  readonly path: SourcePath;
  readonly field: string | null;
  readonly text: string | null;
  /** Of `absent` only. */
  readonly value?: unknown;
}

/** A configuration while it is read: its fields, and what has become of them so far. */
export interface Source {
  readonly fields: Fields;
  readonly context: SourceContext;
  readonly drafts: Draft[];
  /** Objects whose members are fields of their own; any other object is one field. */
  readonly holders: SourcePath[];
}

const mostValues = 1000;
const mostDepth = 32;
const longestText = 1000;

/** @throws Failure `data-invalid` for what is no object of JSON values, or too large for a configuration */
export function openSource(content: unknown, context: SourceContext): Source {
  let count = 0;
  const copy = (value: unknown, path: SourcePath): unknown => {
    const refuse = (expected: string): Failure => new Failure('data-invalid', `${toPlace(context, path)}expected ${expected}`);
    if (++count > mostValues || (Array.isArray(value) && value.length > mostValues))
      throw refuse(`a training configuration of at most ${mostValues} values, found more`);
    if (path.length > mostDepth) throw refuse(`at most ${mostDepth} levels, found more`);
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (Array.isArray(value)) return Array.from(value as unknown[], (item, i) => copy(item ?? null, [...path, String(i)]));
    const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
    if (prototype !== Object.prototype && prototype !== null) throw refuse(`a value of JSON, found ${describe(value)}`);
    const entries = Object.entries(value as Fields).filter(([, item]) => item !== undefined);
    if (entries.some(([key]) => key === '__proto__')) throw refuse('no field "__proto__", found one');
    if (entries.some(([key]) => key === '<<')) throw refuse('every field written out, found "<<", which merges others');
    return Object.fromEntries(entries.map(([key, item]) => [key, copy(item, [...path, key])]));
  };
  const fields = copy(content, []);
  if (!isFields(fields)) throw new Failure('data-invalid', `${context.file}: expected an object of settings, found ${describe(fields)}`);
  return { fields, context, drafts: [], holders: [] };
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path, null included; undefined where there is none. */
export function toValue(source: Source, path: SourcePath): unknown {
  let value: unknown = source.fields;
  for (const key of path) {
    if (Array.isArray(value)) value = (value as unknown[])[Number(key)];
    else if (isFields(value) && Object.hasOwn(value, key)) value = value[key];
    else return undefined;
  }
  return value;
}

export function toPathText(path: SourcePath): string {
  return path.map((key) => (isSecret(key, '') ? mask : key)).join('.');
}

function toPlace(context: SourceContext, path: SourcePath): string {
  const place = context.locate?.(path);
  const text = path.length === 0 ? '' : `${toPathText(path)}: `;
  return place === undefined ? `${context.file}: ${text}` : `${place} ${text}`;
}

/** A value as a message quotes it. */
function describe(value: unknown, name = ''): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') return `a ${typeof value}`;
  const text = JSON.stringify(maskSecrets(value, name));
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** `throw toRefusal(source, path, 'a number')`: says where, what was expected and what is there. */
export function toRefusal(source: Source, path: SourcePath, expected: string, hint?: string): Failure {
  const found = describe(toValue(source, path), path.at(-1));
  const message = `${toPlace(source.context, path)}expected ${expected}, found ${found}`;
  return new Failure('data-invalid', message, hint === undefined ? {} : { hint });
}

/** A text on one line; undefined where the field is absent or null. @throws Failure `data-invalid` for anything else */
export function readText(source: Source, path: SourcePath): string | undefined {
  const value = toValue(source, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.trim() === '') throw toRefusal(source, path, 'a text');
  if (isSecret(value, path.at(-1) ?? '')) throw toRefusal(source, path, 'a name or path, no credential');
  if (/[\p{Cc}\p{Surrogate}\u2028\u2029]/u.test(value)) throw toRefusal(source, path, 'text on one line without control characters');
  if (value.length > longestText) throw toRefusal(source, path, `at most ${longestText} characters`);
  return value;
}

/** The same where it must be there. */
export function requireText(source: Source, path: SourcePath, expected: string): string {
  const text = readText(source, path);
  if (text === undefined) throw toRefusal(source, path, expected);
  return text;
}

/** A finite number. One in quotes counts too: readers of YAML 1.1 take `1e-5` for text. */
export function readNumber(source: Source, path: SourcePath): number | undefined {
  const value = toValue(source, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value;
  const isNumeric = typeof value === 'string' && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value);
  const number = isNumeric ? Number(value) : NaN;
  if (!Number.isFinite(number)) throw toRefusal(source, path, 'a number');
  return number;
}

/** A whole number of at least `least`. */
export function readInteger(source: Source, path: SourcePath, least: number): number | undefined {
  const value = readNumber(source, path);
  if (value !== undefined && (!Number.isSafeInteger(value) || value < least)) {
    throw toRefusal(source, path, `a whole number of at least ${least}`);
  }
  return value;
}

/** True or false, or one of YAML 1.1's words for them. */
export function readFlag(source: Source, path: SourcePath): boolean | undefined {
  const value = toValue(source, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (['true', 'yes', 'on'].includes(word)) return true;
  if (['false', 'no', 'off'].includes(word)) return false;
  throw toRefusal(source, path, 'true or false');
}

/** An object whose members are fields of their own; undefined where it is absent or null. */
export function readFields(source: Source, path: SourcePath): Fields | undefined {
  const value = toValue(source, path);
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) throw toRefusal(source, path, 'an object');
  source.holders.push([...path, '']);
  return value;
}

import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { z } from 'zod';
import { Failure, type FailureCode } from '../errors.ts';
import { findFileKind } from './file-kinds.ts';
import { readBoundedFile } from './fs.ts';
import { formatValue } from './text.ts';

/**
 * The RFC 8785 JSON of a value that the dataset's `checkJson` accepts, twice as fast as `canonicalize`. For well-formed strings and finite
 * numbers JSON.stringify writes what the standard asks for, so that only the order of names (by UTF-16 code units) is left to do. Names
 * without a value are left out.
 */
export function formatCanonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(formatCanonicalJson).join(',')}]`;
  let members = '';
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined) members += `${members === '' ? '' : ','}${JSON.stringify(key)}:${formatCanonicalJson(member)}`;
  }
  return `{${members}}`;
}

/** SHA-256 of the canonical JSON (RFC 8785) of a value, in hex. */
export function hashJson(value: unknown): string {
  return createHash('sha256').update(canonicalize(value)!).digest('hex');
}

/** Whether a value is a JSON object: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A value in the shape of a schema whose messages say what is expected ("a positive whole number"). `source` names it for the reader:
 * a path, or "standard input, line 1".
 *
 * @throws Failure `code` naming the first wrong field, what was expected there and what was found
 */
export function parseFields<T>(schema: z.ZodType<T>, json: unknown, { source, code }: { source: string; code: FailureCode }): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const found = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
  const field = path.length === 0 ? '' : `${path.join('.')}: `;
  throw new Failure(code, `${source}: ${field}expected ${message}, found ${formatValue(found)}`);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** If a value is nested more deeply, a function that walks or prints it could overflow the stack. */
const maxDepth = 64;

/**
 * A JSON file that must hold an object. `what` names the file for the reader, `maxBytes` bounds what is read.
 *
 * @throws Failure `file-missing` or `permission-denied` when it cannot be read, `model-invalid` when it is too large, not UTF-8, not a
 *   JSON object or nested more than 64 levels deep
 */
export function readJsonObject(path: string, what: string, maxBytes: number): Record<string, unknown> {
  const bytes = readBoundedFile(path, what, maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    const kind = findFileKind(bytes);
    if (kind !== null)
      throw new Failure('model-invalid', `${path}: expected the ${what}, found ${kind.name}`, { hint: kind.remedy, error });
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('model-invalid', `${what} is not valid JSON (${reason}): ${path}`, {
      hint: 'The file is damaged or cut short: download it or save it again.',
      error,
    });
  }
  if (!isObject(value)) throw new Failure('model-invalid', `${what} must hold a JSON object: ${path}`);
  if (!isWithinDepth(value)) throw new Failure('model-invalid', `${what} is nested more than ${maxDepth} levels deep: ${path}`);
  return value;
}

/** Whether a value is nested at most 64 levels deep. Goes level by level: recursion could overflow the stack. */
export function isWithinDepth(value: object): boolean {
  let level: object[] = [value];
  for (let i = 0; i < maxDepth && level.length > 0; i++) {
    level = level.flatMap((parent) => Object.values(parent).filter((child) => typeof child === 'object' && child !== null) as object[]);
  }
  return level.length === 0;
}

/** The value of a JSON text; the fallback where it is none. */
export function parseJsonOr(text: string, fallback: unknown): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return fallback;
  }
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The object without the fields that are undefined. */
export function omitUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

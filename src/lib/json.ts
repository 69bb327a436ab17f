import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

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

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The object without the fields that are undefined. */
export function omitUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/**
 * The RFC 8785 JSON of a value that `checkJson` let pass. For well-formed strings and finite numbers JSON.stringify writes what the
 * standard asks for, so that the order of names (by UTF-16 code units) is all that is left to do. Names without a value are left out.
 */
export function toCanonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(',')}]`;
  let members = '';
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined) members += `${members === '' ? '' : ','}${JSON.stringify(key)}:${toCanonicalJson(member)}`;
  }
  return `{${members}}`;
}

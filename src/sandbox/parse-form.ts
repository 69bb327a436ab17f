/** A multipart body. */
export interface Form {
  readonly fields: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, { readonly name: string; readonly bytes: Buffer }>;
}

const headEnd = '\r\n\r\n';

/** Parses `multipart/form-data` (RFC 7578); null where it is none. `type`: the content type, with the boundary. */
export function parseForm(bytes: Buffer, type: string): Form | null {
  const [, quoted, bare] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type) ?? [];
  const boundary = quoted ?? bare;
  const parts = boundary === undefined ? null : splitParts(bytes, `--${boundary}`);
  if (parts === null) return null;
  const fields = new Map<string, string>();
  const files = new Map<string, { name: string; bytes: Buffer }>();
  for (const part of parts) {
    const end = part.indexOf(headEnd);
    const head = part.subarray(0, Math.max(0, end)).toString('utf8');
    const name = /^content-disposition: *form-data;.*?\bname="([^"]*)"/im.exec(head)?.[1];
    if (end < 0 || name === undefined) return null;
    const filename = /^content-disposition:.*?\bfilename="([^"]*)"/im.exec(head)?.[1];
    const content = part.subarray(end + headEnd.length);
    if (filename === undefined) fields.set(unescape(name), content.toString('utf8'));
    else files.set(unescape(name), { name: unescape(filename), bytes: Buffer.from(content) });
  }
  return { fields, files };
}

/** What stands between the delimiters; null where the last one is missing. */
function splitParts(bytes: Buffer, delimiter: string): Buffer[] | null {
  const parts: Buffer[] = [];
  if (bytes.indexOf(delimiter) !== 0) return null;
  for (let begin = delimiter.length; ;) {
    if (bytes.subarray(begin, begin + 2).toString() === '--') return parts;
    const end = bytes.indexOf(`\r\n${delimiter}`, begin);
    if (end < 0) return null;
    parts.push(bytes.subarray(begin + 2, end));
    begin = end + 2 + delimiter.length;
  }
}

/** Names carry quotes and line ends as the HTML standard escapes them. */
function unescape(name: string): string {
  return name.replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n');
}

import { randomUUID } from 'node:crypto';

interface FilePart {
  /** The name of its field. */
  readonly field: string;
  readonly name: string;
  readonly blob: Blob;
}

/**
 * A form with a file (RFC 7578), as one Blob that is read while it is sent. Not `FormData`: Node's fetch reads ahead of the network
 * there, and after an abort goes on into a closed stream, an error that nobody can catch and that ends the process.
 */
export function toMultipart(
  fields: Readonly<Record<string, string>>,
  { field, name, blob }: FilePart,
): { body: Blob; headers: Record<string, string> } {
  const boundary = `orchestrate-${randomUUID()}`;
  const begin = `--${boundary}\r\nContent-Disposition: form-data; name=`;
  const texts = Object.entries(fields).map(([key, value]) => `${begin}"${key}"\r\n\r\n${value}\r\n`);
  const type = blob.type === '' ? 'application/octet-stream' : blob.type;
  const head = `${texts.join('')}${begin}"${field}"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n`;
  return {
    body: new Blob([head, blob, `\r\n--${boundary}--\r\n`]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  };
}

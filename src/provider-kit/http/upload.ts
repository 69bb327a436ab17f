import { randomUUID } from 'node:crypto';

/**
 * A form with files (RFC 7578) as one Blob, which is read while it is sent. `fetch` itself reads a form ahead of the network and, when the
 * connection breaks, goes on into a closed stream: a rejection that nobody can catch and that ends the process (Node 24.15 and 24.21:
 * "Invalid state: ReadableStream is already closed").
 */
export function encodeForm(form: FormData): Blob {
  const boundary = `orchestrate-${randomUUID()}`;
  const parts = [...form].flatMap(([name, value]) => {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"`;
    if (typeof value === 'string') return [`${head}\r\n\r\n${value.replaceAll(/\r\n|\r|\n/g, '\r\n')}\r\n`];
    const type = value.type === '' ? 'application/octet-stream' : value.type;
    return [`${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n'];
  });
  return new Blob([...parts, `--${boundary}--\r\n`], { type: `multipart/form-data; boundary=${boundary}` });
}

function escapeName(name: string): string {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}

/** How many bytes a request sends; for a stream the number in its `content-length`, else 0. */
export function countUploadBytes(body: RequestInit['body'], headers: Headers): number {
  if (typeof body === 'string') return Buffer.byteLength(body);
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return body.byteLength;
  if (body instanceof Blob) return body.size;
  const announced = Number(headers.get('content-length') ?? 0);
  return Number.isSafeInteger(announced) && announced > 0 ? announced : 0;
}

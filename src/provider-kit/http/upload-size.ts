/** How many bytes a request will send; of a stream as many as its `content-length` says, else 0. */
export function toUploadBytes(body: RequestInit['body'], headers: Headers): number {
  if (typeof body === 'string') return Buffer.byteLength(body);
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return body.byteLength;
  if (body instanceof Blob) return body.size;
  if (body instanceof FormData) return [...body.values()].reduce((sum, part) => sum + toPartBytes(part), 0);
  const announced = Number(headers.get('content-length') ?? 0);
  return Number.isSafeInteger(announced) && announced > 0 ? announced : 0;
}

function toPartBytes(part: string | Blob): number {
  return typeof part === 'string' ? Buffer.byteLength(part) : part.size;
}

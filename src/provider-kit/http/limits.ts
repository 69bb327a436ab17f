import { Failure } from '../../errors.ts';

/** The one end of everything that a call does: its time is over, or its caller gives it up. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Releases the timer and the caller's signal. May be repeated. */
  end(): void;
}

/** Starts the time of a call. @param caller the caller's own signal, which ends the call too */
export function startDeadline(caller: AbortSignal | null, { ms, what }: { ms: number; what: string }): Deadline {
  const controller = new AbortController();
  const end = (): void => {
    clearTimeout(timer);
    caller?.removeEventListener('abort', onAbort);
  };
  const onAbort = (): void => {
    end();
    controller.abort(caller?.reason);
  };
  const timer = setTimeout(() => {
    end();
    controller.abort(new Failure('timeout', `${what}: expected a whole answer within ${Math.round(ms)} ms, found none`));
  }, ms);
  caller?.addEventListener('abort', onAbort);
  if (caller?.aborted === true) onAbort();
  return { signal: controller.signal, end };
}

export interface BodyLimits {
  /** Largest size, unpacked. */
  readonly maxBytes: number;
  /** The request, for the message. */
  readonly what: string;
  /** Turns an error of reading into the error that is thrown. */
  explain(error: unknown): unknown;
  /** Called once the body has ended, in whatever way. */
  end(): void;
}

/** The same body, cut off where it is too large. Nothing is read before the caller reads. */
export function limitBody(body: ReadableStream<Uint8Array>, { maxBytes, what, explain, end }: BodyLimits): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            end();
            controller.close();
            return;
          }
          bytes += value.length;
          if (bytes > maxBytes) throw new Failure('response-invalid', `${what}: expected at most ${maxBytes} bytes, unpacked, found more`);
          controller.enqueue(value);
        } catch (error) {
          controller.error(explain(error));
          end();
          await reader.cancel().catch(() => {}); // it has failed already; otherwise this closes the connection
        }
      },
      async cancel(reason) {
        end();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

export async function readWhole(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** How many bytes a request sends; for a stream the number in its `content-length`, else 0. */
export function countUploadBytes(body: RequestInit['body'], headers: Headers): number {
  if (typeof body === 'string') return Buffer.byteLength(body);
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return body.byteLength;
  if (body instanceof Blob) return body.size;
  if (body instanceof FormData) {
    return [...body.values()].reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : part.size), 0);
  }
  const announced = Number(headers.get('content-length') ?? 0);
  return Number.isSafeInteger(announced) && announced > 0 ? announced : 0;
}

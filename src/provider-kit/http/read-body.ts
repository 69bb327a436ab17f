import { Failure } from '../../errors.ts';

export interface BodyLimits {
  /** Unpacked. */
  readonly maxBytes: number;
  /** What was asked, for the message. */
  readonly what: string;
  /** What is thrown for what went wrong while reading. */
  explain(error: unknown): unknown;
  /** Called once the body has ended, in whatever way. */
  end(): void;
}

/** The same body, cut off where it is too large. Nothing is read before somebody reads. */
export function toGuardedBody(body: ReadableStream<Uint8Array>, limits: BodyLimits): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            limits.end();
            controller.close();
            return;
          }
          bytes += value.length;
          if (bytes > limits.maxBytes) throw toSizeFailure(limits);
          controller.enqueue(value);
        } catch (error) {
          controller.error(limits.explain(error));
          limits.end();
          await reader.cancel().catch(() => {}); // it has failed already, or closes the connection
        }
      },
      async cancel(reason) {
        limits.end();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function toSizeFailure({ what, maxBytes }: BodyLimits): Failure {
  return new Failure('response-invalid', `${what}: expected at most ${maxBytes} bytes, unpacked, found more`);
}

export async function readWhole(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

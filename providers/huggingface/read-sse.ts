/** Where the reading of a stream of server-sent events stands between two chunks. */
export interface SseState {
  /** The bytes of the line that has not ended, last chunk first: each chunk is copied once, however small they come. */
  readonly rest: Rest | null;
  /** The last byte was a carriage return: a line feed that follows belongs to it. */
  readonly isAfterCr: boolean;
  /** The `data` lines of the event that has not ended. */
  readonly data: readonly string[];
}

interface Rest {
  readonly before: Rest | null;
  readonly bytes: Uint8Array;
}

export const sseBegins: SseState = { rest: null, isAfterCr: false, data: [] };

/**
 * The data of the events that end in this chunk. Chunks may be cut anywhere, inside a character and between CR and LF too. Comments and other
 * fields are skipped; an event that the end of the stream cuts off is none.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function readSse(state: SseState, chunk: Uint8Array): { state: SseState; events: string[] } {
  const events: string[] = [];
  let { rest, isAfterCr } = state;
  let data: string[] = [...state.data];
  let begin = 0;
  for (let at = 0; at < chunk.length; at += 1) {
    const byte = chunk[at];
    const isLf = byte === 0x0a;
    const isCr = byte === 0x0d;
    if (isLf && isAfterCr) begin = at + 1;
    else if (isLf || isCr) {
      const line = toText(rest, chunk.subarray(begin, at));
      rest = null;
      begin = at + 1;
      if (line === '') {
        if (data.length > 0) events.push(data.join('\n'));
        data = [];
      } else if (line === 'data' || line.startsWith('data:')) data.push(line.slice('data:'.length).replace(/^ /, ''));
    }
    isAfterCr = isCr;
  }
  const tail = chunk.subarray(begin);
  return { state: { rest: tail.length === 0 ? rest : { before: rest, bytes: tail.slice() }, isAfterCr, data }, events };
}

const byteOrderMark = '\uFEFF';

function toText(rest: Rest | null, end: Uint8Array): string {
  const parts: Uint8Array[] = [end];
  for (let part = rest; part !== null; part = part.before) parts.push(part.bytes);
  const text = Buffer.concat(parts.reverse()).toString('utf8');
  return text.startsWith(byteOrderMark) ? text.slice(1) : text;
}

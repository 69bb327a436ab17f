import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

/** The lines of a stream as they arrive, in groups: all that are there at once, split at \n only. */
export async function* readStreamLines(input: Readable): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    await setImmediate(); // lets what is already in the pipe arrive, so that the caller sees that there is more
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}

import { closeSync, openSync, readSync } from 'node:fs';
import { Failure, toFileFailure } from '../errors.ts';

const chunkBytes = 2 ** 16;
const maxLineBytes = 64 * 2 ** 20;

/**
 * The lines of a UTF-8 file, split at \n only (U+0085 and U+2028 belong to the text), empty ones left out.
 *
 * @throws Failure `file-missing` or `permission-denied`; `data-invalid` naming the line when it is too long or not UTF-8
 */
export function* readLines(path: string): Generator<{ readonly line: number; readonly text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes: Uint8Array, line: number): string => {
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new Failure('data-invalid', `${path}:${line}: not valid UTF-8`, { error });
    }
  };
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const chunk = Buffer.alloc(chunkBytes);
    let rest = Buffer.alloc(0);
    let line = 1;
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
      let bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        if (end > 0) yield { line, text: decode(bytes.subarray(0, end), line) };
        bytes = bytes.subarray(end + 1);
        line++;
      }
      if (bytes.length > maxLineBytes) throw new Failure('data-invalid', `${path}:${line}: a line may have at most ${maxLineBytes} bytes`);
      rest = bytes;
    }
    if (rest.length > 0) yield { line, text: decode(rest, line) };
  } catch (error) {
    throw toFileFailure(error, 'data file', path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

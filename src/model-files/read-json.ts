import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { Failure, toFileFailure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { openRegularFile } from '../lib/fs.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Nested more deeply, a value could overflow the stack of whoever walks or prints it. */
const maxDepth = 64;

/**
 * A JSON file that must hold an object. `what` names the file for the reader, `maxBytes` bounds what is read.
 *
 * @throws Failure `file-missing` or `permission-denied` when it cannot be read, `model-invalid` when it is too large, not UTF-8, not a
 *   JSON object or nested more than 64 levels deep
 */
export function readJsonObject(path: string, what: string, maxBytes: number): Record<string, unknown> {
  const value = parseJson(readBounded(path, what, maxBytes), what, path);
  if (!isObject(value)) throw new Failure('model-invalid', `${what} must hold a JSON object: ${path}`);
  if (!isWithinDepth(value, maxDepth)) throw new Failure('model-invalid', `${what} is nested more than ${maxDepth} levels deep: ${path}`);
  return value;
}

/** Level by level, not by recursion: that is what it guards. */
function isWithinDepth(value: object, depth: number): boolean {
  let level: object[] = [value];
  for (let i = 0; i < depth && level.length > 0; i++) {
    level = level.flatMap((parent) => Object.values(parent).filter((child) => typeof child === 'object' && child !== null) as object[]);
  }
  return level.length === 0;
}

function readBounded(path: string, what: string, maxBytes: number): Buffer {
  const file = openRegularFile(path, what);
  try {
    const { size } = fstatSync(file);
    if (size > maxBytes) throw new Failure('model-invalid', `${what} may have at most ${maxBytes} bytes, found ${size}: ${path}`);
    return readFileSync(file);
  } catch (error) {
    throw toFileFailure(error, what, path);
  } finally {
    closeSync(file);
  }
}

function parseJson(bytes: Buffer, what: string, path: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('model-invalid', `${what} is not valid JSON (${reason}): ${path}`, {
      hint: 'The file is damaged or cut short: download it or save it again.',
      error,
    });
  }
}

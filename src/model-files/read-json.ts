import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { Failure, toFileFailure } from '../failure.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A JSON file that must hold an object. `what` names the file for the reader, `maxBytes` bounds what is read.
 *
 * @throws Failure `file-missing` or `permission-denied` when it cannot be read, `model-invalid` when it is too large, not UTF-8 or not a JSON object
 */
export function readJsonObject(path: string, what: string, maxBytes: number): Record<string, unknown> {
  const value = parseJson(readBounded(path, what, maxBytes), what, path);
  if (!isObject(value)) throw new Failure('model-invalid', `${what} must hold a JSON object: ${path}`);
  return value;
}

/** Whether a JSON value is an object (not an array, not null). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readBounded(path: string, what: string, maxBytes: number): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { size } = fstatSync(file);
    if (size > maxBytes) throw new Failure('model-invalid', `${what} may have at most ${maxBytes} bytes, found ${size}: ${path}`);
    return readFileSync(file);
  } catch (error) {
    throw toFileFailure(error, what, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function parseJson(bytes: Buffer, what: string, path: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('model-invalid', `${what} is not valid JSON (${reason}): ${path}`, { error });
  }
}

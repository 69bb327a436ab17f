import { join } from 'node:path';
import { expect } from 'vitest';
import { isFailure, type Failure } from '../../../src/errors.ts';
import { readModelFolder } from '../../../src/trainer/model-files/model-folder.ts';
import { readTokenizer } from '../../../src/trainer/model-files/tokenizer.ts';
import { readTensors } from '../read-tensors.ts';

/** Reads the folder as the trainer does. */
function read(folder: string, text: string): void {
  const { maxPositions } = readModelFolder(folder);
  for (const { data } of readTensors(join(folder, 'model.safetensors')).values()) expect(data?.length ?? 0).toBeLessThan(1000);
  const tokenizer = readTokenizer(folder);
  for (const text2 of [undefined, text]) {
    const { ids, typeIds } = tokenizer.encode(text, text2, maxPositions);
    expect(ids.length).toBeLessThanOrEqual(maxPositions);
    expect(typeIds).toHaveLength(ids.length);
    expect([...ids, ...typeIds].every((id) => Number.isSafeInteger(id) && id >= 0)).toBe(true);
  }
}

/** Reads the folder, or says why not. Whatever else is thrown is a fault, and so is what takes long. */
export function useModel(folder: string, text = 'a bad day'): string | null {
  const began = performance.now();
  let failure: Failure | null = null;
  try {
    read(folder, text);
  } catch (error) {
    if (!isFailure(error)) throw error;
    failure = error;
  }
  expect(performance.now() - began).toBeLessThan(1000);
  expect(failure === null ? null : toComplaint(failure, folder)).toBeNull();
  return failure?.message ?? null;
}

/** What is wrong with a refusal itself, or null. */
function toComplaint({ code, message }: Failure, folder: string): string | null {
  if (!['model-invalid', 'file-missing', 'configuration-invalid'].includes(code)) return `of the wrong code: ${code}`;
  if (code !== 'configuration-invalid' && !message.includes(folder)) return `names no file: ${message}`;
  return message.length > 2000 ? `too long: ${message.length} characters` : null;
}

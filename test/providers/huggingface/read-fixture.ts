import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** The text of a recorded file. */
export function readFixture(name: string): string {
  return readFileSync(resolve('fixtures/huggingface', name), 'utf8');
}

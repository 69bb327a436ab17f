import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export const folder = resolve('fixtures/huggingface');

/** The text of a recorded file. */
export function readFixture(name: string): string {
  return readFileSync(resolve(folder, name), 'utf8');
}

/** The lines of a recorded log, parted as a service parts them: at line feeds alone. */
export function readFixtureLines(name: string): string[] {
  return readFixture(name).split('\n');
}

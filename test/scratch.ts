import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder of the running test's own, removed when it ends. */
export function createScratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

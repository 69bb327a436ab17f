import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder for what several test files share; it is removed when the test run ends. */
    scratchFolder: string;
  }
}

/** Called by vitest once, before all test files. */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-test-'));
  project.provide('scratchFolder', folder);
  return () => rmSync(folder, { recursive: true });
}

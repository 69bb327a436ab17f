import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('calls leave no timer and no connection behind, however they end, and importing changes nothing', async () => {
  const started = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.resolve('./leak-program.ts'))], {
    timeout: 20_000,
  });
  expect(JSON.parse(stdout)).toEqual({ isUntouched: true, active: [] });
  expect(performance.now() - started).toBeLessThan(10_000); // a timer of 60 s would keep the process
});

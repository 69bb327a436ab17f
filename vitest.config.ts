import { defineConfig } from 'vitest/config';

/** Suites that train, kill processes, or need Python: `npm run test:slow`. */
const slow = 'test/**/*.slow.test.ts';

export default defineConfig(({ mode }) => ({
  test: {
    ...(mode === 'slow' ? { include: [slow] } : { include: ['test/**/*.test.ts'], exclude: [slow] }),
    globalSetup: ['test/scratch-folder.ts'],
    pool: 'forks', // tests start processes, and tfjs keeps its backends in the process
    maxWorkers: 2,
    testTimeout: mode === 'slow' ? 300_000 : 60_000, // a test may train
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } }, // a busy machine may take long to close a connection
  },
}));

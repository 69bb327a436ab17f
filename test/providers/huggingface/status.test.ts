import { expect, test } from 'vitest';
import { words } from '../../../providers/huggingface/status.ts';

test('each stage of a job has its phase, and what is not documented for jobs has none', () => {
  expect(words).toEqual({
    SCHEDULING: 'queued',
    RUNNING: 'running',
    COMPLETED: 'succeeded',
    ERROR: 'failed',
    CANCELED: 'cancelled',
    DELETED: 'expired',
  });
});

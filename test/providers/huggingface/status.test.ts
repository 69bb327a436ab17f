import { expect, test } from 'vitest';
import { statusMap } from '../../../providers/huggingface/status.ts';

test('each stage of a job has its phase, and what is not documented for jobs has none', () => {
  expect(statusMap).toEqual({
    SCHEDULING: 'queued',
    RUNNING: 'running',
    COMPLETED: 'succeeded',
    ERROR: 'failed',
    CANCELED: 'cancelled',
    DELETED: 'expired',
  });
});

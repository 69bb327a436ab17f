import type { Phase } from '../../src/provider/status.ts';

/**
 * The stages of a job of Hugging Face Jobs. What is not listed is unknown: `UPDATING`, `PAUSED`, `STOPPED` and `DELETING` stand in the types of
 * one client alone and no document says what they mean for a job. `COMPLETED` says that the command ended with 0, not that there is a model.
 */
export const statusMap = {
  SCHEDULING: 'queued',
  RUNNING: 'running',
  COMPLETED: 'succeeded',
  ERROR: 'failed',
  CANCELED: 'cancelled',
  DELETED: 'expired',
} as const satisfies Record<string, Phase>;

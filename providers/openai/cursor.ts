import { noEvents, type EventsSeen } from './events.ts';

/** What has been told of a job. Plain JSON, and small: measures that were told are read again where it matters. */
export interface OpenAICursor {
  readonly events: EventsSeen;
  readonly startedAt: string | null;
  /** The newest step that was measured, of how many, and its training loss. */
  readonly step: number | null;
  readonly steps: number | null;
  readonly loss: number | null;
  /** Ids of checkpoints. */
  readonly checkpoints: readonly string[];
  readonly isResultRead: boolean;
  /** The tuned model. */
  readonly model: string | null;
  /** What notes were about: fields, and `fine_tuned_model`. */
  readonly noted: readonly string[];
}

export const beginning: OpenAICursor = {
  events: noEvents,
  startedAt: null,
  step: null,
  steps: null,
  loss: null,
  checkpoints: [],
  isResultRead: false,
  model: null,
  noted: [],
};

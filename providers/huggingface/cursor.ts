import { logBegins, type LogCursor } from './follow-log.ts';

/** What has been told of a job. */
export interface HubCursor {
  readonly log: LogCursor;
  /** Whether the files beside the model were read for measures. */
  readonly areFilesRead: boolean;
  /** The model that was told of, `owner/name@commit`. */
  readonly model: string | null;
}

export const beginning: HubCursor = { log: logBegins, areFilesRead: false, model: null };

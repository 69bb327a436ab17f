import type { Service } from '../service.ts';
import type { Moment, ServiceAccount } from '../service-account.ts';
import type { JobTask } from './train-model.ts';

/** Where a job lives. */
export interface JobContext {
  readonly account: ServiceAccount;
  readonly service: Service;
}

/** The stages that the sandbox's jobs go through; the last three are ends. */
export type Stage = 'SCHEDULING' | 'RUNNING' | 'COMPLETED' | 'ERROR' | 'CANCELED';

/** The body of a creation, without the values of its secrets. */
export interface JobRequest {
  readonly dockerImage?: string;
  readonly spaceId?: string;
  readonly command?: readonly string[];
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly flavor: string;
  readonly arch?: 'amd64' | 'arm64';
  readonly timeoutSeconds?: number | null;
  readonly attempts?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly volumes?: readonly unknown[];
}

export interface LogLine {
  readonly atMs: number;
  readonly text: string;
}

/** A job with all that has happened to it. */
export interface HubJob {
  readonly id: string;
  readonly createdMs: number;
  readonly request: JobRequest;
  /** By name; only the container ever sees the values. */
  readonly secrets: Readonly<Record<string, string>>;
  /** What our own program is told; a text where that cannot be read, and says why; null where the job is none of ours. */
  readonly task: JobTask | string | null;
  readonly durationMs: number;
  /** Aborts when nobody waits for the training any more. */
  readonly stop: AbortController;
  readonly log: LogLine[];
  labels: Readonly<Record<string, string>>;
  /** What is still to come, in order. */
  moments: Moment[];
  stage: Stage;
  message: string | null;
  startedMs: number | null;
  finishedMs: number | null;
  looks: number;
  /** Resolves when the training that goes on outside has ended; null where there is none. */
  training: Promise<void> | null;
  /** Whether a training has begun in it. */
  hasTrained: boolean;
}

export function isEnded({ stage }: HubJob): boolean {
  return stage !== 'SCHEDULING' && stage !== 'RUNNING';
}

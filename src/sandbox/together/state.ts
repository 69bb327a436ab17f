import type Together from 'together-ai';
import type { TimedJob } from '../clock.ts';
import type { Example, TrainingFile } from '../openai/training-file.ts';

/* What belongs to one account at Together: the objects as the service writes them, and what the sandbox knows of them besides. */

/** One that was only announced has no bytes. */
export interface TogetherFile {
  readonly wire: Omit<Together.FileResponse, 'processing_status' | 'validation_report' | 'Processed'>;
  readonly checksum: string | null;
  bytes: Buffer | null;
  /** From then on it has been looked at; null: nobody has asked for that. */
  readyMs: number | null;
  /** What is wrong with it; null: nothing. */
  problem: string | null;
}

/** An address that takes the bytes of a file, or of a part of it, whoever uses it. */
export interface UploadGrant {
  readonly untilMs: number;
  receive(bytes: Buffer): void;
}

/** A file that comes in parts. */
export interface PartUpload {
  readonly file: TogetherFile;
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>;
}

export type TogetherStatus = Together.FinetuneResponse['status'] | 'user_error';

/** A job as the lists have it, which is shorter than the job itself. */
export type WireJob = Omit<Together.FineTuningListResponse.Data, 'status'> & {
  status: TogetherStatus;
  readonly suffix?: string;
};

export interface TogetherJob extends TimedJob {
  readonly wire: WireJob;
  readonly training: TrainingFile;
  readonly hasValidation: boolean;
  readonly steps: number;
  readonly usd: number;
  /** Oldest first. */
  readonly events: Together.FinetuneEvent[];
  /** Oldest first. */
  readonly checkpoints: Together.FineTuningListCheckpointsResponse.Data[];
  readonly metrics: Readonly<Record<string, number>>[];
  endedMs: number | null;
  /** It has said that it was asked to stop. */
  isStopSeen: boolean;
  /** Another job goes on in its place; its own end is then none that anybody pays for. */
  isRestart: boolean;
}

export interface TogetherModel {
  readonly base: string;
  readonly createdMs: number;
  readonly job: string;
  readonly examples: readonly Example[];
}

export interface TogetherEndpoint {
  readonly wire: Omit<Together.DedicatedEndpoint, 'state'>;
  readonly createdMs: number;
  /** Ends it after so much time without a request; null: nothing does. */
  readonly timeoutMs: number | null;
  usedMs: number;
  isStopped: boolean;
}

export interface TogetherState {
  /** Oldest first. */
  readonly files: Map<string, TogetherFile>;
  /** By their signatures. */
  readonly grants: Map<string, UploadGrant>;
  readonly uploads: Map<string, PartUpload>;
  /** Newest first. */
  readonly jobs: TogetherJob[];
  /** By their names. */
  readonly models: Map<string, TogetherModel>;
  readonly endpoints: Map<string, TogetherEndpoint>;
}

export function createTogetherState(): TogetherState {
  return { files: new Map(), grants: new Map(), uploads: new Map(), jobs: [], models: new Map(), endpoints: new Map() };
}

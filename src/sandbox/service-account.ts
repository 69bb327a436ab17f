import { toStreamKey, toUint32 } from '../lib/random.ts';
import type { Dialect, JobStatus } from './dialect.ts';
import type { FaultPlans, RequestKind } from './faults.ts';
import type { Stage } from './hub/hub-job.ts';
import { createHubState, type HubState } from './hub/hub-state.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import type { Predictor } from './predictor.ts';
import { defaultSettings, type Settings } from './settings.ts';
import type { Example, Method, TrainingFile } from './training-file.ts';

/** What an account is charged for, in order. */
export type BillEntry =
  | ({ readonly kind: 'job'; readonly at: string; readonly job: string; readonly model: string } & Handles)
  | {
      readonly kind: 'chat';
      readonly at: string;
      readonly model: string;
      readonly promptTokens: number;
      readonly completionTokens: number;
    }
  | { readonly kind: 'deployment'; readonly at: string; readonly deployment: string; readonly model: string; readonly sku: string }
  /** A deployment has ended; its hours are charged, begun ones whole. None are on the developer tier. */
  | { readonly kind: 'deployment-end'; readonly at: string; readonly deployment: string; readonly hours: number }
  /** A job of the Hub was created; what it costs, its end tells. */
  | {
      readonly kind: 'hub-job';
      readonly at: string;
      readonly job: string;
      readonly flavor: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly environment: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'hub-job-end';
      readonly at: string;
      readonly job: string;
      readonly stage: Stage;
      /** That its machine ran. */
      readonly seconds: number;
      readonly usd: number;
      /** Whether a training had begun in it. */
      readonly trained: boolean;
    };

/** By what the client can find its job again. */
interface Handles {
  readonly trainingFile: string;
  readonly metadata: Readonly<Record<string, string>> | null;
}

export interface RequestEntry {
  readonly at: string;
  readonly kind: RequestKind;
  /** The type of its fault; null: none was planned. */
  readonly fault: string | null;
}

export interface StoredFile {
  readonly id: string;
  readonly bytes: Buffer;
  readonly createdMs: number;
  readonly filename: string;
  readonly purpose: string;
  readonly expiresMs: number | null;
  readonly readyMs: number;
}

export interface Upload {
  readonly id: string;
  readonly createdMs: number;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly parts: Map<string, Buffer>;
  status: 'pending' | 'completed' | 'cancelled';
  file: StoredFile | null;
}

export interface JobEvent {
  readonly id: string;
  readonly atMs: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly type: 'message' | 'metrics' | 'moderation_checks';
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Checkpoint {
  readonly id: string;
  readonly atMs: number;
  readonly model: string;
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Something that will happen to a job, so many ms after its creation. */
export interface Moment {
  readonly offsetMs: number;
  happen(atMs: number): void;
}

export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

/** A job with all that has happened to it. */
export interface Job {
  readonly id: string;
  readonly dialect: Dialect;
  readonly createdMs: number;
  readonly model: string;
  readonly method: Method;
  readonly hyperparameters: Hyperparameters;
  readonly suffix: string | null;
  readonly seed: number;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly integrations: readonly unknown[] | null;
  readonly trainingFile: string;
  readonly validationFile: string | null;
  readonly training: TrainingFile;
  readonly durationMs: number;
  /** What is still to come, in order. */
  moments: Moment[];
  status: JobStatus;
  looks: number;
  /** Time that it has stood still, and since when it does. */
  pausedMs: number;
  pausedAtMs: number | null;
  finishedMs: number | null;
  fineTunedModel: string | null;
  resultFiles: string[];
  trainedTokens: number | null;
  error: JobError | null;
  /** Oldest first. */
  readonly events: JobEvent[];
  readonly checkpoints: Checkpoint[];
}

export interface TunedModel {
  readonly id: string;
  /** The service's own model at its root. */
  readonly base: string;
  readonly createdMs: number;
  readonly dialect: Dialect;
  readonly examples: readonly Example[];
  /** Checkpoints answer and are not listed. */
  readonly isCheckpoint: boolean;
  /** Made at the first question. */
  predictor: Predictor | null;
}

export interface Deployment {
  readonly path: string;
  readonly name: string;
  readonly model: string;
  readonly sku: { readonly name: string; readonly capacity: number };
  readonly createdMs: number;
}

/** All that belongs to one API key. */
export interface ServiceAccount {
  readonly name: string;
  readonly bill: BillEntry[];
  readonly requests: RequestEntry[];
  /** Answers of the sandbox that break the published schemas: faults of the sandbox itself. */
  readonly violations: string[];
  readonly files: Map<string, StoredFile>;
  readonly uploads: Map<string, Upload>;
  /** Newest first. */
  readonly jobs: Job[];
  readonly models: Map<string, TunedModel>;
  readonly deployments: Map<string, Deployment>;
  readonly hub: HubState;
  settings: Settings;
  faults: FaultPlans;
  used: Partial<Record<RequestKind, number>>;
  /** A new identifier that begins so. */
  nextId(prefix: string): string;
  /** A new seed, 0 … 2³¹ - 1. */
  nextSeed(): number;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function createServiceAccount(name: string, seed: number, faults: FaultPlans): ServiceAccount {
  const key = toStreamKey(seed, name);
  let count = 0;
  const toLetter = (): string => letters[toUint32(key, count++) % letters.length]!;
  return {
    name,
    bill: [],
    requests: [],
    violations: [],
    files: new Map(),
    uploads: new Map(),
    jobs: [],
    models: new Map(),
    deployments: new Map(),
    hub: createHubState(),
    settings: defaultSettings,
    faults,
    used: {},
    nextId: (prefix) => prefix + Array.from({ length: 22 }, toLetter).join(''),
    nextSeed: () => toUint32(key, count++) >>> 1,
  };
}

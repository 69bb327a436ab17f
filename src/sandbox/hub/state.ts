import type { TimedJob } from '../clock.ts';
import type { JobTask } from './train-model.ts';

/* What belongs to one account at the Hub. */

export type RepoType = 'model' | 'dataset';

/** A file of a commit. Files with `lfs`, the SHA-256 of their bytes, are served from the storage. */
export interface RepoFile {
  /** Its name in git; of a file in the storage, the name of its pointer. */
  readonly oid: string;
  readonly bytes: Buffer;
  readonly lfs: string | null;
}

export interface Commit {
  readonly oid: string;
  readonly title: string;
  readonly message: string;
  readonly atMs: number;
  readonly parent: string | null;
  /** The whole tree, by path. */
  readonly files: ReadonlyMap<string, RepoFile>;
}

export interface Repo {
  readonly id: string;
  readonly type: RepoType;
  /** `namespace/name`. */
  readonly name: string;
  readonly isPrivate: boolean;
  readonly createdMs: number;
  /** Branch to commit. */
  readonly branches: Map<string, string>;
  readonly commits: Map<string, Commit>;
}

/** What a signed address of the storage allows. */
export interface Grant {
  readonly operation: 'upload' | 'download';
  /** SHA-256. */
  readonly oid: string;
  readonly size: number;
  readonly bytes: Buffer | null;
  readonly untilMs: number;
}

/** A token that arrived where it must never be sent. */
export interface Leak {
  readonly at: string;
  /** `PUT /…` of the storage, without its signature. */
  readonly request: string;
  readonly where: 'authorization' | 'cookie' | 'url';
}

/** The stages that the sandbox's jobs go through; the last three are ends. */
export type Stage = 'SCHEDULING' | 'RUNNING' | 'COMPLETED' | 'ERROR' | 'CANCELED';

/** A job with all that has happened to it. */
export interface HubJob extends TimedJob {
  readonly id: string;
  /** As it was asked for, in the service's words. */
  readonly request: {
    readonly dockerImage: string | null;
    readonly spaceId: string | null;
    readonly command: readonly string[] | null;
    readonly arguments: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
    readonly flavor: string;
    readonly volumes: readonly unknown[];
    readonly timeoutSeconds: number | null;
    readonly attempts: number;
  };
  /** By name; only the container ever sees the values. */
  readonly secrets: Readonly<Record<string, string>>;
  /** What our own program is told; where that cannot be read, why; null where the job is none of ours. */
  readonly task: JobTask | string | null;
  /** Aborts when nobody waits for the training any more. */
  readonly stop: AbortController;
  readonly log: { readonly atMs: number; readonly text: string }[];
  readonly labels: Readonly<Record<string, string>>;
  stage: Stage;
  message: string | null;
  startedMs: number | null;
  finishedMs: number | null;
  /** Resolves when the training that goes on outside has ended; null where there is none. */
  training: Promise<void> | null;
  /** Whether a training has begun in it. */
  hasTrained: boolean;
}

export interface HubState {
  /** By `type:namespace/name`. */
  readonly repos: Map<string, Repo>;
  /** Uploaded objects, by their SHA-256. */
  readonly objects: Map<string, Buffer>;
  /** By their signatures. */
  readonly grants: Map<string, Grant>;
  readonly leaks: Leak[];
  /** Newest first. */
  readonly jobs: HubJob[];
  /** Called whenever a job may have gone on. */
  readonly watchers: Set<() => void>;
}

export function createHubState(): HubState {
  return { repos: new Map(), objects: new Map(), grants: new Map(), leaks: [], jobs: [], watchers: new Set() };
}

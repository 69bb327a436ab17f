import type { HubJob } from './hub-job.ts';

export type RepoType = 'model' | 'dataset';

/** A file of a commit. Files with `lfs`, the SHA-256 of their bytes, are served from the storage. */
export interface RepoFile {
  /** What git calls it; of a file in the storage, its pointer's name. */
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

/** What belongs to one account at the Hub. */
export interface HubState {
  /** By `type:namespace/name`. */
  readonly repos: Map<string, Repo>;
  /** Uploaded objects, by their SHA-256. */
  readonly objects: Map<string, Buffer>;
  readonly grants: Map<string, Grant>;
  readonly leaks: Leak[];
  /** Newest first. */
  readonly jobs: HubJob[];
  /** Told whenever a job may have gone on. */
  readonly watchers: Set<() => void>;
}

export function createHubState(): HubState {
  return { repos: new Map(), objects: new Map(), grants: new Map(), leaks: [], jobs: [], watchers: new Set() };
}

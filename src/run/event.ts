import type { ActualCost, Artifact, JobRef } from '../provider/job.ts';
import type { BaseModel, EndpointModel } from '../provider/model.ts';
import type { Estimate, Quote } from '../provider/provider.ts';
import type { Deprecation } from '../provider/service.ts';
import type { Note } from '../provider/note.ts';
import type { Status } from '../provider/status.ts';
import type { DataFacts } from '../dataset/inspect.ts';
import type { FailureData } from '../errors.ts';
import type { RunKey } from '../job/run-key.ts';
import type { DataSpec, RunSpec } from '../job/run-spec.ts';

/** What a run is made from. It is stored whole with the first event, so that it never has to be translated again. */
export interface RunPlan {
  readonly key: RunKey;
  readonly generation: number;
  readonly spec: RunSpec;
  readonly facts: DataFacts;
  readonly model: BaseModel;
  readonly fingerprint: Readonly<Record<string, unknown>>;
  readonly request: unknown;
  readonly notes: readonly Note[];
  /** What it will cost; null where the price is not known. */
  readonly quote: Quote | null;
  /** The service names the price only once it has the data: until then nothing is reserved. Absent: it is known, or never will be. */
  readonly isPricedLate?: true;
  /** Its time and memory, where they can be computed; absent in runs that are older than this field. */
  readonly estimate?: Estimate | null;
  /** When the service shuts down the model and what is tuned from it, as far as was known at that time. */
  readonly deprecation?: Deprecation | null;
  /** The job file, an absolute path, and what was set in it; absent in runs that are older than this field. */
  readonly jobFile?: { readonly path: string; readonly overrides: readonly string[] };
}

/** What a job file says beside the training: it may change after the submission. */
export type UnpaidPlan = Pick<RunPlan, 'jobFile'> & {
  readonly spec: Pick<RunSpec, 'evaluation' | 'references' | 'budget' | 'tags'>;
  readonly data: Pick<DataSpec, 'test' | 'testColumns'>;
  readonly facts: Pick<DataFacts, 'test' | 'warnings'>;
};

/** Everything that can happen to a run. */
export type RunEvent =
  | { readonly type: 'run-accepted'; readonly plan: RunPlan; readonly number: number }
  | { readonly type: 'job-file-changed'; readonly plan: UnpaidPlan }
  | { readonly type: 'submission-prepared'; readonly attempt: number; readonly prepared: unknown }
  /** What the service asks for what it was sent. */
  | { readonly type: 'submission-quoted'; readonly quote: Quote | null }
  /** What the attempt had prepared was deleted at the service. */
  | { readonly type: 'submission-discarded'; readonly attempt: number }
  | { readonly type: 'submission-intended'; readonly attempt: number; readonly wire: unknown; readonly hash: string }
  | { readonly type: 'submission-unsent'; readonly attempt: number; readonly failure: FailureData }
  | { readonly type: 'submission-rejected'; readonly attempt: number; readonly failure: FailureData }
  | { readonly type: 'submission-unanswered'; readonly attempt: number; readonly failure: FailureData }
  | { readonly type: 'submission-disproved'; readonly attempt: number }
  | { readonly type: 'attention-needed'; readonly failure: FailureData }
  | { readonly type: 'job-submitted'; readonly job: JobRef }
  | { readonly type: 'job-adopted'; readonly job: JobRef }
  | { readonly type: 'submission-checked'; readonly job: JobRef }
  | { readonly type: 'decision-made'; readonly decision: 'adopt'; readonly job: JobRef }
  | { readonly type: 'decision-made'; readonly decision: 'absent' | 'cancel' }
  | { readonly type: 'status-changed'; readonly status: Status; readonly startedAt: string | null; readonly finishedAt: string | null }
  | { readonly type: 'artifact-found'; readonly artifact: Artifact }
  | { readonly type: 'cost-known'; readonly cost: ActualCost }
  | {
      readonly type: 'deployment-intended';
      readonly name: string;
      readonly until: string;
      readonly charge: string;
      readonly usdPerHour: number;
    }
  | { readonly type: 'model-deployed'; readonly model: EndpointModel }
  | { readonly type: 'model-undeployed' }
  | { readonly type: 'note-added'; readonly note: Note }
  | { readonly type: 'job-failed'; readonly failure: FailureData }
  | { readonly type: 'checkpoint-seen'; readonly step: number }
  | { readonly type: 'pause-requested' }
  | { readonly type: 'resume-intended' }
  | { readonly type: 'job-resumed'; readonly job: JobRef }
  | { readonly type: 'run-stopped'; readonly failure: FailureData }
  | { readonly type: 'run-abandoned'; readonly failure: FailureData }
  | { readonly type: 'cancel-requested' }
  | { readonly type: 'run-withdrawn' };

export type RunEventType = RunEvent['type'];

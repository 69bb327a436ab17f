import type { AnswerSchema } from './answer-schema.ts';
import type { JobSpec, Training, TrainingField } from './job-spec.ts';

/** A model as a target names it. */
export type ModelName =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'hub'; readonly name: string; readonly revision: string | null }
  | { readonly kind: 'service'; readonly name: string };

/** The data of a job with every path absolute. */
export interface DataSpec {
  readonly train: readonly string[];
  readonly validation: readonly string[] | { readonly fraction: number } | null;
  /** Held-out sets by name; a single one is called `test`. That of a fraction has no path. */
  readonly test: Readonly<Record<string, readonly string[]>>;
  /** The share of the training rows that is held out as the only set, `test`; absent: none. */
  readonly testFraction?: number;
  readonly columns: Readonly<Record<string, string>>;
  /** By held-out set, those of the sets that have columns of their own; absent in runs that are older than this field. */
  readonly testColumns?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** How quotes of tables are read; absent: as each file has them. */
  readonly quote?: 'none' | 'double';
  /** Whether rows that seem to hold keys or secrets are used; absent: they are not. */
  readonly allowSecrets?: boolean;
}

/** A model that is scored but not trained: one of a service, the answers in a file, or a command that runs in a folder. Paths are absolute. */
export type ReferenceSpec =
  | { readonly provider: string; readonly model: string; readonly options?: Readonly<Record<string, unknown>> }
  | { readonly predictions: string }
  | { readonly command: readonly string[]; readonly folder: string; readonly env?: readonly string[] };

/** One target of a job, complete in itself: the input of a provider's translation. Plain JSON. */
export interface RunSpec {
  readonly version: 1;
  readonly workspace: string | null;
  readonly job: string;
  readonly target: string;
  readonly provider: string;
  readonly task: JobSpec['task'];
  readonly model: ModelName;
  readonly data: DataSpec;
  readonly prompt: JobSpec['prompt'] | null;
  /** Wishes and requirements merged; a field that the user did not set is absent. */
  readonly training: Training;
  /** The fields of `training` that must be followed. */
  readonly requirements: readonly TrainingField[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly native: Readonly<Record<string, unknown>>;
  readonly evaluation: {
    readonly measure: string;
    readonly margin: number;
    readonly generation: Omit<NonNullable<NonNullable<JobSpec['evaluation']>['generation']>, 'schema'> & {
      /** Absent where answers are free text, as in runs that are older than this field. */
      readonly schema?: AnswerSchema;
    };
    /** Rows that are answered at once; null leaves it to the program. */
    readonly concurrency: number | null;
  };
  /** By name, as the job file had them when the run was submitted; absent in runs that are older than this field. */
  readonly references?: Readonly<Record<string, ReferenceSpec>>;
  /** Limits for the whole job file; null: none. */
  readonly budget: { readonly usd: number | null; readonly hours: number | null };
  readonly onUncertain: 'ask' | 'retry' | null;
  readonly tags: Readonly<Record<string, string>>;
}

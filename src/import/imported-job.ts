import type { JobSpec, Training } from '../job/job-spec.ts';

/**
 * What became of one field of the source: `carried` under our name, `converted` (the text says how and why), `unmatched` (without equal:
 * it is kept in this note only), or `absent`: the source does not name it, its program would have used `value`, and another
 * program may choose otherwise.
 */
export interface ImportNote {
  readonly kind: 'carried' | 'converted' | 'unmatched' | 'absent';
  /** Where it stands in the source, such as `params.lr`; for `absent` where it would, or in parentheses what the source has no field for. */
  readonly path: string;
  /** The field of the job that it became, or that would say the same, such as `training.learningRate`; null where there is none. */
  readonly field: string | null;
  /** As the source has it, plain JSON, with secrets masked. */
  readonly value: unknown;
  readonly text: string | null;
}

/** How the text of an `unmatched` note begins where the training itself is another without the field. */
export const changesTraining = 'changes what is trained';

/** A training of another program or service in the words of a job. It knows no file format: a live job can become one too. */
export interface ImportedJob {
  /** What it was read from, in words: "an AutoTrain configuration". */
  readonly source: string;
  readonly name: string;
  readonly task: JobSpec['task'];
  readonly data: JobSpec['data'];
  readonly prompt?: NonNullable<JobSpec['prompt']>;
  /** What the source itself says; no default of its program. */
  readonly training: Training;
  readonly evaluation?: NonNullable<JobSpec['evaluation']>;
  readonly target: {
    /** Names the target; `[a-z0-9-]`, 32 characters. */
    readonly name: string;
    readonly provider: string;
    readonly model: string;
    readonly options?: Readonly<Record<string, unknown>>;
    readonly native?: Readonly<Record<string, unknown>>;
  };
  readonly notes: readonly ImportNote[];
}

/** The job itself, without its notes. */
export function toJobSpec({ name, task, data, prompt, training, evaluation, target }: ImportedJob): JobSpec {
  return {
    version: 1,
    name,
    task,
    data,
    ...(prompt === undefined ? {} : { prompt }),
    ...(Object.keys(training).length === 0 ? {} : { training }),
    ...(evaluation === undefined ? {} : { evaluation }),
    targets: {
      [target.name]: {
        provider: target.provider,
        model: target.model,
        ...(target.options === undefined ? {} : { options: target.options }),
        ...(target.native === undefined ? {} : { native: target.native }),
      },
    },
  };
}

/** Any text as the name of a job: `[a-z0-9-]`, at most 32 characters. */
export function toJobName(text: string): string {
  const name = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 33)
    .replaceAll(/^-|-$/g, '')
    .slice(0, 32)
    .replace(/-$/, '');
  return name === '' ? 'imported' : name;
}

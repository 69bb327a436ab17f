import { Failure } from '../errors.ts';
import { checkJob } from '../job/read-job-file.ts';
import { Training, type JobSpec } from '../job/job-spec.ts';
import { omitUndefined } from '../lib/json.ts';
import { openSource, readText, type ImportNote, type Source, type SourceContext } from './source.ts';
import { explainUnmatched } from './unmatched.ts';

/** A training of another program or service as a job. */
export interface ImportedJob {
  /** Where it was read from, in words: "an AutoTrain configuration". */
  readonly source: string;
  readonly name: string;
  readonly task: JobSpec['task'];
  readonly data: JobSpec['data'];
  readonly prompt?: NonNullable<JobSpec['prompt']> | undefined;
  /** The source's own settings, without defaults of its program. */
  readonly training: Training;
  readonly evaluation?: NonNullable<JobSpec['evaluation']>;
  readonly target: {
    /** Names the target; `[a-z0-9-]`, 32 characters. */
    readonly name: string;
    readonly provider: string;
    readonly model: string;
    readonly options?: Readonly<Record<string, unknown>> | undefined;
    readonly native?: Readonly<Record<string, unknown>> | undefined;
  };
  readonly notes: readonly ImportNote[];
}

/** The job itself, without its notes. */
export function buildJobSpec({ name, task, data, prompt, training, evaluation, target }: ImportedJob): JobSpec {
  const { name: targetName, ...settings } = target;
  const ordered = Object.keys(Training.shape).flatMap((field) => (field in training ? [[field, training[field as keyof Training]]] : []));
  return omitUndefined({
    version: 1 as const,
    name,
    task,
    data,
    prompt,
    training: ordered.length === 0 ? undefined : (Object.fromEntries(ordered) as Training),
    evaluation,
    targets: { [targetName]: omitUndefined(settings) },
  });
}

/** Any text as the name of a job: `[a-z0-9-]`, at most 32 characters. */
export function toJobName(text: string): string {
  const words = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  const name = words.replace(/^-/, '').slice(0, 32).replace(/-$/, '');
  return name === '' ? 'imported' : name;
}

/** The job's name: the source's name of its model, or the last part of the folder that it writes to. */
export function readName(source: Source, path: string): string {
  const text = readText(source, path);
  source.assume(path, 'name', { value: null, text: 'a job must have a name' });
  const name = toJobName(text?.split('/').findLast((part) => part !== '') ?? '');
  source.note(path, 'name', name === text ? null : 'a-z, 0-9 and "-", at most 32 characters');
  return name;
}

/** One format of configurations: how it is recognized, and what becomes of its settings. */
export interface ConfigFormat {
  /** For people, with the keys that show it. */
  readonly title: string;
  /** Keys at the top that no other format has. */
  readonly marks: string;
  parse(source: Source): Omit<ImportedJob, 'notes'>;
}

/**
 * A configuration as a job with its notes, checked as every job file is.
 * @throws Failure `data-invalid` with the path of a field that is wrong or missing, and for settings that no job can have
 */
export function parseConfig(format: ConfigFormat, content: unknown, context: SourceContext): ImportedJob {
  const source = openSource(content, context);
  const parsed = format.parse(source);
  const job: ImportedJob = { ...parsed, notes: source.listNotes(explainUnmatched) };
  const lines = checkJob(buildJobSpec(job)).problems.map(({ path, message }) => {
    // The problem of a field is reported at the setting that it came from.
    const fields = path.map((_, i) => formatField(path.slice(0, path.length - i)));
    const note = fields.flatMap((field) => job.notes.filter((one) => one.field === field && one.kind !== 'absent')).at(0);
    return `${note === undefined ? `${context.file}: ${fields[0]}:` : source.locate(note.path)} ${message}`;
  });
  if (lines.length > 0) throw new Failure('data-invalid', lines.join('\n'));
  return job;
}

/** The name of a field of the job in notes. It leaves the target's own name out, as there is one target only. */
export function formatField([first, ...rest]: readonly PropertyKey[]): string {
  return [first, ...(first === 'targets' ? rest.slice(1) : rest)].map(String).join('.');
}

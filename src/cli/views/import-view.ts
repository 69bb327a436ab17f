import type { ServiceJob, ServiceModel } from '../../contract/service.ts';
import type { ImportRecord } from '../../import/import-record.ts';
import type { ImportNote } from '../../import/imported-job.ts';
import type { RunView } from '../../run/run-view.ts';
import { escapeLine } from '../escape.ts';
import { programName } from '../program-name.ts';
import { formatCount, formatTable } from './format.ts';
import { toDay, toModelsText } from './models-view.ts';

/** What an account has at a service, to be brought home. */
export function toServiceText({
  jobs,
  models,
}: {
  readonly jobs: readonly ServiceJob[];
  readonly models: readonly ServiceModel[];
}): string {
  const header = ['JOB', 'STATUS', 'CREATED', 'BASE', 'MODEL', 'ENDS'];
  const rows = jobs.map(({ job, status, base, model, end }) =>
    [job.id, status.raw, toDay(job.createdAt), base, model ?? '', end?.date ?? ''].map(escapeLine),
  );
  const jobsText = jobs.length === 0 ? 'no jobs' : formatTable([header, ...rows]);
  return models.length === 0 ? jobsText : `${jobsText}\n\n${toModelsText(models)}`;
}

export interface ImportedView {
  readonly folder: string;
  readonly record: ImportRecord;
  readonly run: RunView | null;
  readonly problem: string | null;
}

/** What was brought home, and what was not. */
export function toImportText({ folder, record, run, problem }: ImportedView): string {
  const files = record.files.map(({ name, bytes }) => [`  ${escapeLine(name)}`, `${formatCount(bytes)} bytes`]);
  const notes = [
    ...record.missing.map((text) => `missing: ${text}`),
    ...record.notes.filter((text) => text !== problem).map((text) => `note: ${text}`),
    ...(problem === null ? [] : [`note: ${problem}`]),
  ];
  const next =
    run !== null ? `next: ${programName} status ${run.id}` : `next: mend ${folder}/job.jsonc, then ${programName} plan ${folder}/job.jsonc`;
  return [
    escapeLine(`${record.id} (${record.status ?? 'unknown'}) is in ${folder}`),
    ...(files.length === 0 ? [] : [formatTable(files, [1])]),
    ...notes.map((text) => `  ${escapeLine(text)}`),
    ...(run === null ? [] : [escapeLine(`run  ${run.id}  ${run.status.phase}`)]),
    escapeLine(next),
  ].join('\n');
}

/** What did not become a field of the job under the same name, a line each. */
export function toConfigText(path: string, notes: readonly ImportNote[]): string {
  const told = notes.filter(({ kind }) => kind === 'unmatched' || kind === 'converted');
  const lines = told.map(({ kind, path: from, text }) =>
    escapeLine(`  ${kind === 'unmatched' ? 'without an equal' : 'converted'}: ${from}${text === null ? '' : `: ${text}`}`),
  );
  return [escapeLine(path), ...lines, escapeLine(`next: ${programName} plan ${path}`)].join('\n');
}

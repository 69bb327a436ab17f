import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { writeAtomicText } from '../../lib/fs.ts';
import { quoteWord } from '../../lib/text.ts';
import type { JobDraft } from '../../prepare/new-job.ts';
import type { Split } from '../../prepare/split-rows.ts';
import { nameCommand, type Cli } from '../cli.ts';
import { escapeLine, escapeText, formatJson } from '../escape.ts';
import { formatSplit } from '../views/rows-view.ts';
import { writeSplit, type SplitFlags } from './split.ts';

export interface JobFlags extends Pick<SplitFlags, 'test' | 'validation' | 'columns' | 'task' | 'quote' | 'out' | 'force'> {
  readonly model?: string;
}

/** `orchestrate init FILE`: writes a job file for its rows, and with `--test` a file of held-out rows. */
export async function initJob(cli: Cli, file: string, flags: JobFlags): Promise<number> {
  const { columns = {}, task, quote, model = null, test, validation, force = false } = flags;
  const { draftJob, formatNewJob, toJobName } = await import('../../prepare/new-job.ts');
  const { checkOut } = await import('../../prepare/write-rows.ts');
  const job = flags.out ?? join(dirname(file), 'job.jsonc');
  checkOut([job], force);
  const draft = await draftJob({ path: file, columns, quote, ...(task !== undefined && { task }) });
  const isSplit = test !== undefined || validation !== undefined;
  const parts = isSplit ? await split(cli, file, draft, flags) : null;
  const toPath = (name: 'train' | 'test' | 'validation'): string | null => {
    const path = parts?.parts.find((part) => part.name === name)?.path;
    return path === undefined ? null : toJobPath(dirname(job), path);
  };
  const files = {
    source: basename(file),
    name: toJobName(basename(file)),
    train: toPath('train') ?? toJobPath(dirname(job), file),
    test: toPath('test'),
    validation: toPath('validation'),
    quote: isSplit ? undefined : quote, // parts are tables with quotes
    model: model !== null && (/^\.{1,2}\//.test(model) || existsSync(model)) ? toJobPath(dirname(job), model) : model,
  };
  await writeAtomicText(job, formatNewJob(draft, files), 'job file');
  if (cli.json) cli.terminal.print(formatJson({ job, ...draft, parts: parts?.parts ?? [] }));
  else cli.terminal.print(cli.quiet ? escapeLine(job) : escapeText(formatInit(job, draft, parts)));
  return 0;
}

async function split(cli: Cli, file: string, { task, columns }: JobDraft, { test, validation, quote, force }: JobFlags): Promise<Split> {
  const stratify = task === 'classification' ? { stratify: 'label' } : task === 'multi-label' ? { stratify: 'labels' } : {};
  const parts = { ...(test !== undefined && { test }), ...(validation !== undefined && { validation }) };
  return await writeSplit(cli, [file], {
    ...parts,
    ...stratify,
    columns,
    task,
    ...(quote !== undefined && { quote }),
    force: force === true,
  });
}

/** A path as a job file names it: from its own folder. */
function toJobPath(folder: string, path: string): string {
  const near = relative(resolve(folder), resolve(path)).split(sep).join('/');
  return near.startsWith('../') || near === '..' ? near : `./${near}`;
}

function formatInit(job: string, { task, columns, reasons, otherLabels, labels }: JobDraft, parts: Split | null): string {
  const shown = labels.slice(0, 6).map((label) => JSON.stringify(label.slice(0, 40)));
  const ofLabels = labels.length === 0 ? '' : `, ${labels.length} labels: ${shown.join(', ')}${labels.length > shown.length ? ', …' : ''}`;
  const others = otherLabels.map((name) => JSON.stringify(name)).join(', ');
  return [
    `written to ${job}: a job of the task ${task}${ofLabels}`,
    ...Object.entries(columns).map(([ours, theirs]) => `  ${ours.padEnd(8)} ${JSON.stringify(theirs)}: ${reasons[ours] ?? ''}`),
    ...(otherLabels.length === 0 ? [] : [`  the label could also be ${others}: --columns label=NAME --force`]),
    ...(parts === null
      ? ['held out: a fifth of the rows (data.test), by their hash; `init --test 0.2` writes them into a file']
      : [formatSplit(parts)]),
    `next: ${nameCommand(`plan ${quoteWord(job)}`)}`,
  ].join('\n');
}

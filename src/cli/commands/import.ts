import { existsSync } from 'node:fs';
import { Failure, isFailure } from '../../errors.ts';
import type { Orchestrator } from '../../orchestrator.ts';
import { nameCommand, type Cli } from '../cli.ts';
import { escapeLine, formatJson } from '../escape.ts';
import { formatConfig, formatImport, formatAccount } from '../views/account-view.ts';

interface Flags {
  readonly list?: boolean;
  readonly out?: string;
  readonly method?: 'sft' | 'dpo';
}

/**
 * `orchestrate import SERVICE --list`, `import SERVICE JOB` and `import FILE`: what an account has at a service, one of its jobs, or the
 * configuration of another program.
 */
export async function importSource(cli: Cli, [source, job]: readonly string[], flags: Flags): Promise<number> {
  if (await isFile(cli, source!)) {
    if (job !== undefined || flags.list === true) throw new Failure('usage', 'expected --list and a job after the name of a service only');
    return await importFile(cli, source!, flags);
  }
  if (flags.method !== undefined) throw new Failure('usage', 'expected --method after the name of a file only');
  if (flags.list === true) {
    if (job !== undefined) throw new Failure('usage', `expected either --list or the job ${JSON.stringify(job)}`);
    return await list(cli, source!);
  }
  if (job === undefined) {
    throw new Failure('usage', `usage: import ${source!} JOB`, { hint: '--list shows the jobs' });
  }
  return await importOne(cli, { service: source!, name: job, out: flags.out });
}

/** The name of a service is one, whatever files there are. */
async function isFile(cli: Cli, source: string): Promise<boolean> {
  await using orchestrator = await cli.open();
  const isProvider = (await orchestrator.providers()).some(({ id }) => id === source);
  return !isProvider && (existsSync(source) || /[./\\]/.test(source));
}

async function list(cli: Cli, service: string): Promise<number> {
  await using orchestrator = await cli.open();
  const listed = await orchestrator.listServiceJobs(service);
  // Services list the newest first; what stands between them and us need not.
  const jobs = listed.toSorted((a, b) => b.job.createdAt.localeCompare(a.job.createdAt));
  const models = await orchestrator.models(service);
  const files = await orchestrator.listServiceFiles(service);
  if (cli.json) cli.terminal.print(formatJson({ jobs, models, files }));
  else if (cli.quiet) for (const { job } of jobs) cli.terminal.print(job.id);
  else cli.terminal.print(formatAccount({ jobs, models, files }, new Date(), cli.terminal.width));
  return 0;
}

/** The folder is named after the job. @throws Failure `usage` for an id that cannot be the name of a folder */
function toFolder(id: string): string {
  if (/^\w[\w.-]{0,127}$/.test(id)) return id;
  throw new Failure('usage', `expected the id of a job, such as ftjob-abc123, found ${JSON.stringify(id)}`, {
    hint: 'if this is the id, name a folder with --out',
  });
}

/** People know their tuned model: `ft:gpt-4o-mini-2024-07-18:team::abc123`, at Azure `gpt-4o-mini-2024-07-18.ft-0a1b2c`. */
function isModelName(name: string): boolean {
  return /^ft:|\.ft-/.test(name);
}

/** The job that has made a tuned model. @throws Failure `model-unavailable` where no job of the account has */
async function findJobOf(orchestrator: Orchestrator, service: string, model: string): Promise<string> {
  const found = (await orchestrator.listServiceJobs(service)).find((one) => one.model === model);
  if (found !== undefined) return found.job.id;
  throw new Failure(
    'model-unavailable',
    `expected the id of a job, found the name of a model, which no job of this account has made: ${model}`,
    {
      hint: `\`${nameCommand(`import ${service} --list`)}\` shows the jobs and their models`,
    },
  );
}

async function importOne(cli: Cli, { service, name, out }: { service: string; name: string; out: string | undefined }): Promise<number> {
  await using orchestrator = await cli.open({ mayCreateState: true });
  const id = isModelName(name) ? await findJobOf(orchestrator, service, name) : name;
  if (id !== name && !cli.quiet) cli.terminal.say(escapeLine(`${name} is the model of the job ${id}`));
  const folder = out ?? toFolder(id);
  const { record, run, problem } = await orchestrator.importJob(service, id, folder).catch((error: unknown) => {
    if (!isFailure(error) || error.status !== 404) throw error;
    const hint = `\`${nameCommand(`import ${service} --list`)}\` shows the jobs of this account`;
    throw new Failure(error.code, error.message, { hint, error, status: 404 });
  });
  if (cli.json) cli.terminal.print(formatJson({ folder, import: record, run, problem }));
  else if (cli.quiet) cli.terminal.print(run?.id ?? folder);
  else cli.terminal.print(formatImport({ folder, record, run, problem }));
  return 0;
}

async function importFile(cli: Cli, path: string, { out, method }: Flags): Promise<number> {
  const { importConfig } = await import('../../import/import-config.ts');
  const imported = await importConfig(path, { out: out ?? null, method });
  if (cli.json) cli.terminal.print(formatJson({ job: imported.path, notes: imported.notes, absent: imported.absent }));
  else cli.terminal.print(cli.quiet ? imported.path : formatConfig(imported));
  return 0;
}

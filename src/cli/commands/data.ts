import type { Finding, RowFinding, Service } from '../../dataset/check.ts';
import { failureKinds, Failure } from '../../errors.ts';
import type { RowTask } from '../../dataset/row.ts';
import type { TrainingTask } from '../../evaluate/training-rows.ts';
import { writeAtomic } from '../../lib/fs.ts';
import type { Cli } from '../cli.ts';
import { formatJson } from '../escape.ts';
import { formatTrainingRows } from '../views/capture-view.ts';
import { formatDataReport } from '../views/data-view.ts';

interface DataFlags {
  readonly out?: string;
  readonly task?: RowTask;
  readonly test?: readonly string[];
  readonly validation?: readonly string[];
  readonly columns?: Readonly<Record<string, string>>;
  readonly for?: readonly Service[];
  readonly findings?: string;
}

/** `orchestrate data check FILES` and `orchestrate data from-predictions FILE`. */
export async function data(cli: Cli, [action, ...files]: readonly string[], flags: DataFlags): Promise<number> {
  if (action === 'check') return await check(cli, files, flags);
  if (action === 'from-predictions') return await fromPredictions(cli, files, flags);
  throw new Failure('usage', `expected the action check or from-predictions, found ${JSON.stringify(action)}`);
}

/** Prints what the files hold and all that is wrong with them; 65 where something is an error. */
async function check(cli: Cli, train: readonly string[], flags: DataFlags): Promise<number> {
  const { checkDataset } = await import('../../dataset/check.ts');
  const rows: RowFinding[] = [];
  const report = await checkDataset({
    train,
    validation: flags.validation ?? null,
    test: flags.test === undefined ? {} : { test: flags.test },
    columns: flags.columns ?? {},
    services: flags.for ?? [],
    ...(flags.task !== undefined && { task: flags.task }),
    ...(flags.findings !== undefined && { onRow: (finding: RowFinding) => rows.push(finding) }),
  });
  if (flags.findings !== undefined) {
    const others = report.findings.filter(({ rows: count, severity }) => severity !== 'error' || count === null);
    const lines = [...rows, ...others.map(toRow)].map((finding) => Buffer.from(`${JSON.stringify(finding)}\n`));
    await writeAtomic(flags.findings, lines, 'file of findings');
  }
  if (cli.json) cli.terminal.print(formatJson({ schema: 'orchestrate.data/1', ...report }));
  else if (!cli.quiet) cli.terminal.print(formatDataReport(report));
  return report.findings.some(({ severity }) => severity === 'error') ? failureKinds['data-invalid'].exit : 0;
}

function toRow({ severity, code, message, lines }: Finding): object {
  return { line: lines[0] ?? null, severity, code, message };
}

/** The answers of a predictions file as training rows. */
async function fromPredictions(cli: Cli, [file, ...more]: readonly string[], { out, task }: DataFlags): Promise<number> {
  if (out === undefined || !/\.jsonl$/i.test(out)) {
    throw new Failure('usage', `expected --out and a file that ends in .jsonl, found ${out ?? 'none'}`);
  }
  if (more.length > 0) throw new Failure('usage', `expected one predictions file, found ${more.length + 1}`);
  if (task === 'preference' || task === 'regression' || task === 'multi-label')
    throw new Failure('usage', `--task expects classification or chat, found "${task}"`);
  const { writeTrainingRows } = await import('../../evaluate/training-rows.ts');
  const rows = await writeTrainingRows(file!, { out, ...(task !== undefined && { task: task satisfies TrainingTask }) });
  if (cli.json) cli.terminal.print(formatJson({ path: out, ...rows }));
  else cli.terminal.print(cli.quiet ? out : formatTrainingRows(out, rows));
  return 0;
}

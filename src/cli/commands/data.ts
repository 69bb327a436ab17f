import type { RowFinding } from '../../dataset/check.ts';
import type { Finding } from '../../dataset/findings.ts';
import type { RowTokenizer } from '../../dataset/token-counts.ts';
import type { Service } from '../../dataset/service-rules.ts';
import { failureKinds, Failure } from '../../errors.ts';
import { createReadingReport } from '../../dataset/reading-progress.ts';
import type { RowTask, TableQuote } from '../../dataset/row.ts';
import type { TrainingTask } from '../../evaluate/training-rows.ts';
import { writeAtomic } from '../../lib/fs.ts';
import type { Cli } from '../cli.ts';
import { openDataSources } from '../data-sources.ts';
import { formatJson } from '../escape.ts';
import { createProgress } from '../terminal.ts';
import { formatTrainingRows } from '../views/capture-view.ts';
import { formatDataReport } from '../views/data-view.ts';

interface DataFlags {
  readonly out?: string;
  readonly task?: RowTask;
  readonly test?: readonly string[];
  readonly validation?: readonly string[];
  readonly columns?: Readonly<Record<string, string>>;
  readonly quote?: TableQuote;
  readonly for?: readonly Service[];
  readonly findings?: string;
  readonly allowSecrets?: boolean;
  readonly tokenizer?: string;
}

/** `orchestrate data check FILES`: prints what they hold and all that is wrong with them; 65 where something is an error. */
export async function check(cli: Cli, train: readonly string[], flags: DataFlags): Promise<number> {
  const { checkDataset } = await import('../../dataset/check.ts');
  const rows: RowFinding[] = [];
  const tokenizer = flags.tokenizer === undefined ? null : await loadTokenizer(cli, flags.tokenizer);
  await using sources = await openDataSources(cli, [...train, ...(flags.validation ?? []), ...(flags.test ?? [])]);
  const report = await checkDataset({
    tokenizer,
    train: sources.find(train),
    validation: flags.validation === undefined ? null : sources.find(flags.validation),
    test: flags.test === undefined ? {} : { test: sources.find(flags.test) },
    ...(!cli.quiet && { onRead: createReadingReport(createProgress(cli.terminal)) }),
    columns: flags.columns ?? {},
    quote: flags.quote,
    services: flags.for ?? [],
    allowSecrets: flags.allowSecrets ?? false,
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

/** @throws Failure `usage` for a model whose tokens nobody here counts */
export async function loadTokenizer(cli: Cli, name: string): Promise<RowTokenizer> {
  await using orchestrator = await cli.open({ mayCreateState: false });
  return await orchestrator.loadTokenizer(name);
}

function toRow({ severity, code, message, lines }: Finding): object {
  return { line: lines[0] ?? null, severity, code, message };
}

/** `orchestrate data from-predictions FILE`: its answers as training rows. */
export async function fromPredictions(cli: Cli, [file]: readonly string[], { out, task }: DataFlags): Promise<number> {
  if (out === undefined || !/\.jsonl$/i.test(out)) {
    throw new Failure('usage', `expected --out and a file that ends in .jsonl, found ${out ?? 'none'}`);
  }
  if (task === 'preference') throw new Failure('usage', 'an answer is no preference: --task expects another task, found "preference"');
  const { writeTrainingRows } = await import('../../evaluate/training-rows.ts');
  const rows = await writeTrainingRows(file!, { out, ...(task !== undefined && { task: task satisfies TrainingTask }) });
  if (cli.json) cli.terminal.print(formatJson({ path: out, ...rows }));
  else cli.terminal.print(cli.quiet ? out : formatTrainingRows(out, rows));
  return 0;
}

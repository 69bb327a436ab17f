import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ChatRow } from '../../dataset/row.ts';
import type { TextAnswer } from '../../evaluate/evaluate.ts';
import { Failure } from '../../errors.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { Cli } from '../cli.ts';

interface PredictFlags {
  readonly data?: string;
  readonly maxUsd?: number;
}

/**
 * `orchestrate predict RUN [TEXT…]`: what the model says, its probability and the text, in the order of the texts. With `--data`, or a data
 * file in the place of the texts, the rows of the file.
 */
export async function predict(cli: Cli, args: readonly string[], { data, maxUsd }: PredictFlags): Promise<number> {
  const [address, ...given] = args;
  if (data !== undefined && given.length > 0) throw new Failure('usage', 'expected texts or --data, found both');
  const path = data ?? (given.length === 1 && isDataFile(given[0]!) ? given[0] : undefined);
  const texts = path === undefined ? await readTexts(cli, given) : [];
  await using orchestrator = await cli.open();
  const run = orchestrator.run(address!);
  const rows = path === undefined ? texts.map((one) => ({ row: { text: one }, expected: null })) : await run.readRows(path);
  const predictions = await run.predict(
    rows.map(({ row }) => row),
    { maxUsd },
  );
  for (const [i, prediction] of predictions.entries()) {
    const { answer, label, labels, probabilities, truncated } = prediction;
    const { row, expected } = rows[i]!;
    const asked = 'text' in row ? row.text : formatLastMessage(row);
    if (cli.json) {
      const known = path === undefined ? {} : { expected };
      const said = labels === undefined ? { label: label ?? null } : { labels };
      cli.terminal.print(formatJson({ text: asked, ...said, answer, probabilities, truncated, ...known }));
    } else if (cli.quiet) cli.terminal.print(formatAnswer(prediction));
    else cli.terminal.print(`${formatAnswer(prediction)}  ${formatProbability(prediction)}  ${escapeLine(asked)}`);
  }
  return 0;
}

/** Nobody asks a model about the name of a file; on standard input a text is a text, whatever it looks like. */
function isDataFile(argument: string): boolean {
  return /^\S+\.(jsonl|csv|tsv)(\.gz)?$/i.test(argument);
}

/** @throws Failure `usage` */
async function readTexts({ signal }: Cli, given: readonly string[]): Promise<readonly string[]> {
  if (given.length > 0) return given;
  const lines = (await text(addAbortSignal(signal, process.stdin))).split('\n').filter((line) => line.trim() !== '');
  if (lines.length > 0) return lines;
  throw new Failure('usage', 'expected texts to answer, as arguments or on standard input, one a line; found none');
}

function formatLastMessage({ messages }: ChatRow): string {
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  return typeof content === 'string' ? content : JSON.stringify(content ?? null);
}

/** The label or labels; where there is none, what the model said instead. */
function formatAnswer({ answer, label, labels }: TextAnswer): string {
  const said = escapeLine(answer ?? '(no answer)');
  if (labels != null) return labels.length === 0 ? '(none)' : escapeLine(labels.join(', '));
  if (labels === undefined && label === undefined) return said;
  if (label != null) return escapeLine(label);
  return answer === null ? '(no label)' : `(no label) ${said}`;
}

/** That of the label, or of each of the labels; where there is none, the largest. */
function formatProbability({ label, labels, probabilities }: TextAnswer): string {
  const given = labels ?? (label == null ? [] : [label]);
  if (probabilities !== null && labels?.length === 0) return Math.max(...Object.values(probabilities)).toFixed(3);
  return given.flatMap((one) => probabilities?.[one]?.toFixed(3) ?? []).join(', ');
}

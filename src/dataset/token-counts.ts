/** Tokens of rows: all of them, those that are learned, and where a limit cuts. */
import type { LearnedAnswers } from './chat-mask.ts';
import { findingKinds, type Finding, type FindingCode } from './findings.ts';
import { createRowMarks, type RowMarks } from './row-marks.ts';
import type { LocatedRow, Row, RowTask } from './row.ts';
import { readTaskBatches, type RowShape } from './task-rows.ts';

/** Tokens of one row. */
export interface RowTokens {
  readonly all: number;
  /** What is learned of them: the answers; null where a label is learned, which is no text. */
  readonly learned: number | null;
  /** The same of the first tokens up to the limit. */
  readonly learnedWithin: number | null;
}

export interface RowContext {
  /** Which answers a target learns. */
  readonly answers: LearnedAnswers;
  /** Of the training rows. */
  readonly labels: readonly string[];
}

/** Counts tokens as a model's service, or the tokenizer of a folder, does. */
export interface RowTokenizer {
  /** The model, for the reader. */
  readonly name: string;
  /** Longer rows are cut at their end; null: no limit is known. */
  readonly limit: number | null;
  /** What a person must know about the figures; null: they are exact. */
  getNote(task: RowTask): string | null;
  /** Of a text alone. */
  countText(text: string): number;
  /** @throws Failure `data-invalid` for a conversation that the chat template refuses */
  count(row: Row, context: RowContext): RowTokens;
}

/** Tokens of a part, as plain JSON. */
export interface TokenFacts {
  readonly model: string;
  readonly all: number;
  readonly learned: number | null;
  readonly longest: number;
  readonly limit: number | null;
  /** Rows that are longer than the limit, and how many of their tokens are cut off. */
  readonly cutRows: number;
  readonly cutTokens: number;
}

interface Counting extends RowContext {
  readonly shape: RowShape;
  readonly tokenizer: RowTokenizer;
}

type TokenMark = 'tokens-cut' | 'answers-cut' | 'tokens-none';

/** Reads the files of a part once more and counts. Rows that cannot be used are left out. */
export async function countTokens(
  paths: readonly string[],
  { shape, tokenizer, ...context }: Counting,
): Promise<{ readonly facts: TokenFacts; readonly findings: readonly Finding[] }> {
  const { name: model, limit } = tokenizer;
  const sums = { all: 0, learned: 0, longest: 0, cutRows: 0, cutTokens: 0, hasText: false };
  const marks: RowMarks<TokenMark> = createRowMarks();
  const refused: { readonly row: LocatedRow; readonly error: unknown }[] = [];
  const add = (row: LocatedRow): void => {
    const { all, learned, learnedWithin } = tokenizer.count(row, context);
    sums.all += all;
    sums.longest = Math.max(sums.longest, all);
    sums.learned += learned ?? 0;
    sums.hasText ||= learned !== null;
    const cut = limit === null ? 0 : Math.max(0, all - limit);
    sums.cutTokens += cut;
    if (cut > 0) sums.cutRows++;
    if (learned === 0 || (cut > 0 && learnedWithin === 0)) marks.add('tokens-none', row);
    else if (cut > 0) marks.add(learned === null || learnedWithin === learned ? 'tokens-cut' : 'answers-cut', row);
  };
  for await (const batch of readTaskBatches(paths, shape, { onBadRow: () => {} })) {
    for (const row of batch) {
      try {
        add(row);
      } catch (error) {
        refused.push({ row, error });
        if (refused.length > mostRefused) break;
      }
    }
  }
  const { hasText, ...facts } = sums;
  return {
    facts: { model, limit, ...facts, learned: hasText ? sums.learned : null },
    findings: [...toFindings(marks, tokenizer), ...toRefusals(refused, tokenizer)],
  };
}

const mostRefused = 10_000;
const shownLines = 4;

function toFindings(marks: RowMarks<TokenMark>, { name, limit }: RowTokenizer): Finding[] {
  const said: Readonly<Record<TokenMark, string>> = {
    'tokens-none': `no token of the answer is left to learn${limit === null ? '' : ` within ${limit} tokens`}`,
    'answers-cut': `the end of the answer is cut off after ${limit} tokens: the model learns to stop there`,
    'tokens-cut': `longer than ${limit} tokens: the rest is cut off`,
  };
  return marks.list().map(({ code, rows, places }) => {
    const [{ source, line }] = [places[0]!];
    const message = `${source}:${line}: ${name}: ${said[code]}`;
    return toFinding(code, { message, rows, lines: places.map((place) => place.line) });
  });
}

function toRefusals(refused: readonly { readonly row: LocatedRow; readonly error: unknown }[], { name }: RowTokenizer): Finding[] {
  const byReason = Map.groupBy(refused, ({ error }) => (error instanceof Error ? error.message : String(error)));
  return [...byReason].map(([reason, rows]) => {
    const lines = rows.slice(0, shownLines).map(({ row }) => row.line);
    return toFinding('chat-template', { message: `${rows[0]!.row.source}:${lines[0]}: ${name}: ${reason}`, rows: rows.length, lines });
  });
}

function toFinding(code: FindingCode, { message, rows, lines }: Pick<Finding, 'message' | 'rows' | 'lines'>): Finding {
  return { severity: findingKinds[code].severity, code, message, hint: null, rows, lines };
}

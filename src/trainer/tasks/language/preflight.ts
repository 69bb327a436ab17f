/** What can be told of a training's rows before its first step: whether the model will learn answers, and to end them. */
import { formatValue } from '../../../lib/text.ts';
import type { ChatTrainRow } from '../../protocol.ts';
import type { Tokenizer } from '../../tokenizer.ts';
import { encodeLearned, type LearnedRow, type TextEncoder } from './rows.ts';

export interface PreflightFinding {
  readonly code: 'nothing-learned' | 'end-not-learned' | 'text-not-restored';
  readonly message: string;
  /** How many of the rows. */
  readonly rows: number;
  /** The first of them, what is learned of it in «…», shortened. */
  readonly shown: string;
}

export interface Preflight {
  readonly rows: number;
  readonly tokens: number;
  /** How many of the tokens are learned. */
  readonly learned: number;
  readonly findings: readonly PreflightFinding[];
}

export interface PreflightEncoder extends TextEncoder {
  readonly tokenizer: Pick<Tokenizer, 'encodeSpans' | 'locate' | 'decode' | 'isAdded'>;
  /** The tokens after which an answer is complete. */
  readonly ends: ReadonlySet<number>;
}

/**
 * Looks at rows as they are trained: how many tokens are learned; whether each answer that is not cut off ends with a token that ends answers,
 * without which the model never stops; and whether the tokens are the text again, which characters that the tokenizer does not know are not.
 */
export function checkTexts(rows: readonly ChatTrainRow[], encoder: PreflightEncoder): Preflight {
  const { tokenizer, ends } = encoder;
  const found = rows.map((row) => {
    const { row: encoded, truncated } = encodeLearned(encoder, row);
    const learned = encoded.learned.filter((isLearned) => isLearned).length;
    return { row, tokens: encoded.ids.length, learned, lasts: findLasts(encoded, { truncated, tokenizer }) };
  });
  const isNamed = (id: number): boolean => ends.has(id);
  const empty = found.filter(({ learned }) => learned === 0);
  const endless = found.filter(({ lasts }) => !lasts.every(isNamed));
  const changed = found.flatMap(({ row }) => findChange(row.text, tokenizer) ?? []);
  const findings = [
    ...toFinding('nothing-learned', empty, 'no token of the row is learned'),
    ...toFinding(
      'end-not-learned',
      endless,
      describeEnd(
        endless[0]?.lasts.find((id) => !isNamed(id)),
        encoder,
      ),
    ),
    ...toFinding('text-not-restored', changed, `the tokens are not the text: ${changed[0]?.message}`),
  ];
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return { rows: rows.length, tokens: sum(found.map(({ tokens }) => tokens)), learned: sum(found.map(({ learned }) => learned)), findings };
}

function toFinding(code: PreflightFinding['code'], rows: readonly { readonly row: ChatTrainRow }[], message: string): PreflightFinding[] {
  return rows.length === 0 ? [] : [{ code, message, rows: rows.length, shown: showLearned(rows[0]!.row) }];
}

/** The last token of each answer that is more than white space, which templates put behind the end; not of an answer that is cut off. */
function findLasts(
  { ids, learned }: LearnedRow,
  { truncated, tokenizer }: { readonly truncated: boolean; readonly tokenizer: PreflightEncoder['tokenizer'] },
): number[] {
  const isSpace = (id: number): boolean => tokenizer.decode([id], { keepsSpecial: true }).trim() === '';
  const lasts: number[] = [];
  let last: number | null = null;
  for (const [place, id] of ids.entries()) {
    if (learned[place] === true && (last === null || !isSpace(id))) last = id;
    if (learned[place + 1] === true || last === null) continue;
    if (!truncated || place + 1 < ids.length) lasts.push(last);
    last = null;
  }
  return lasts;
}

function describeEnd(last: number | undefined, { tokenizer, ends }: PreflightEncoder): string {
  const show = (id: number): string => JSON.stringify(tokenizer.decode([id], { keepsSpecial: true }));
  const said = 'the model does not learn where its answer ends';
  if (ends.size === 0) return `${said}: no file of the model names a token that ends a text (eos_token)`;
  return `${said}: expected ${[...ends].map(show).join(' or ')} as the last token, found ${last === undefined ? 'none' : show(last)}`;
}

/** Where a text is another one once it has become tokens; null where it is not. Composed characters are the same as their parts. */
function findChange(
  text: string,
  tokenizer: PreflightEncoder['tokenizer'],
): { readonly row: ChatTrainRow; readonly message: string } | null {
  const expected = text.normalize('NFC');
  let at = 0;
  for (const part of splitAtAdded(
    tokenizer.locate(text).map(({ id }) => id),
    tokenizer,
  )) {
    // Some tokenizers put a space before each part, others before the first one only.
    const texts = [{}, { isContinuation: true }].map((options) => tokenizer.decode(part, { ...options, keepsSpecial: true }));
    const found = texts.find((one) => expected.startsWith(one, at));
    if (found === undefined) return describeChange(text, { expected: expected.slice(at), found: texts[0]! });
    at += found.length;
  }
  return at === expected.length ? null : describeChange(text, { expected: expected.slice(at), found: '' });
}

function splitAtAdded(ids: readonly number[], tokenizer: PreflightEncoder['tokenizer']): number[][] {
  const parts: number[][] = [];
  let isOpen = false;
  for (const id of ids) {
    const isAdded = tokenizer.isAdded(id);
    if (isOpen && !isAdded) parts.at(-1)!.push(id);
    else parts.push([id]);
    isOpen = !isAdded;
  }
  return parts;
}

function describeChange(
  text: string,
  { expected, found }: { readonly expected: string; readonly found: string },
): { readonly row: ChatTrainRow; readonly message: string } {
  let same = 0;
  while (same < found.length && found[same] === expected[same]) same++;
  const start = Math.max(0, same - 10);
  const [wanted, got] = [expected, found].map((one) => formatValue(one.slice(start, same + 20)));
  return { row: { text, learned: [] }, message: `expected ${wanted}, found ${got}` };
}

const shownBefore = 200;
const shownAfter = 200;

/** What is learned in «…», with some of the text before and behind the first of it. */
function showLearned({ text, learned }: ChatTrainRow): string {
  const start = Math.max(0, (learned[0]?.[0] ?? 0) - shownBefore);
  const end = Math.min(text.length, (learned[0]?.[0] ?? shownBefore) + shownAfter);
  let shown = start > 0 ? '…' : '';
  let done = start;
  for (const span of learned) {
    const [from, to] = span.map((place) => Math.min(end, Math.max(start, place))) as [number, number];
    if (from < to) shown += `${text.slice(done, from)}«${text.slice(from, to)}»`;
    done = Math.max(done, to);
  }
  return `${shown}${text.slice(done, end)}${end < text.length ? '…' : ''}`;
}

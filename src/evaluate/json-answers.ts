/** How well answers were written as JSON. */
import { formatCanonicalJson, isWithinDepth } from '../lib/json.ts';
import type { Answered, Scores } from './measures.ts';
import { divide, sum, type Parts } from './statistics.ts';

type JsonAnswered = Pick<Answered, 'expected' | 'answers' | 'isValid'>;

/** The value of each answer; undefined where it is no JSON, or nobody could have written it so deep. */
function parseAnswers(answers: readonly (string | null)[]): unknown[] {
  return answers.map((answer) => {
    try {
      const value: unknown = JSON.parse(answer ?? '');
      return typeof value !== 'object' || value === null || isWithinDepth(value) ? value : undefined;
    } catch {
      return undefined;
    }
  });
}

/** 1 for an answer that is JSON, and follows the schema of the job where it has one; else 0. */
export function judgeValidity({ answers, isValid }: Pick<JsonAnswered, 'answers' | 'isValid'>): number[] {
  return parseAnswers(answers).map((value) => Number(value !== undefined && (isValid?.(value) ?? true)));
}

/**
 * The fields of a value: each of its leaves (a text, number, `true`, `false`, `null`, an empty list or object) with the way to it, of the names of
 * properties and the places in lists. Order and white space make no difference; the order of a list's items does.
 */
function listFields(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value === 'object' && value !== null) {
    const inner = Object.entries(value).flatMap(([name, own]) =>
      listFields(own, [...path, Array.isArray(value) ? `[${name}]` : `.${name}`]),
    );
    if (inner.length > 0) return inner;
  }
  return [formatCanonicalJson([path, value])];
}

/**
 * The F1 of the fields of each answer: with p the share of its fields that the right answer has, and r the share of the right answer's fields that
 * it has, 2pr / (p + r), which is twice the fields that both have by the fields of both. 0 for an answer that is no JSON, whatever is expected.
 */
function computeFieldScores({ expected, answers }: JsonAnswered): number[] {
  const right = parseAnswers(expected);
  return parseAnswers(answers).map((value, row) => {
    if (value === undefined || right[row] === undefined) return 0;
    const [own, wanted] = [listFields(value), new Set(listFields(right[row]))];
    return (2 * own.filter((field) => wanted.has(field)).length) / (own.length + wanted.size);
  });
}

/** The score is the mean of the rows, so that each of them weighs the same. */
export function judgeFields(answered: JsonAnswered): Parts[] {
  return computeFieldScores(answered).map((gain) => ({ gain, weight: 1 }));
}

/** `exact_match` is the share of rows of which all fields are right, and no others are given. */
export function scoreFields(answered: JsonAnswered): Scores {
  const scores = computeFieldScores(answered);
  const { measures, unparseable } = scoreValidity(answered);
  const rows = scores.length;
  const exact = scores.filter((score) => score === 1).length;
  return {
    measures: { field_f1: divide(sum(scores), rows), ...measures, exact_match: divide(exact, rows) },
    perClass: [],
    confusion: [],
    unparseable,
  };
}

export function scoreValidity({ answers, isValid }: Pick<JsonAnswered, 'answers' | 'isValid'>): Scores {
  const valid = judgeValidity({ answers, isValid });
  const unparseable = parseAnswers(answers).filter((value) => value === undefined).length;
  return { measures: { valid_json: divide(sum(valid), valid.length) }, perClass: [], confusion: [], unparseable };
}

/** Rows whose right answer is no JSON: no answer is right there. */
export function describeExpectedJson(expected: readonly string[]): string[] {
  const count = parseAnswers(expected).filter((value) => value === undefined).length;
  if (count === 0) return [];
  return [
    `${count} of ${expected.length} expected answers ${count === 1 ? 'is' : 'are'} no JSON: every answer to ${count === 1 ? 'it' : 'them'} counts as wrong`,
  ];
}

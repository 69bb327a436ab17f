/** Why a line is no JSON, in words for its author. */
import type { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { createDataFailure, type FindingCode } from './findings.ts';
import { dropStrings } from './split-json.ts';

interface Cause {
  readonly pattern: RegExp;
  readonly found: string;
  readonly hint: string;
}

const fromPython = 'Write the rows with json.dumps(row), not with str(row) or print(row).';

/** Known causes, looked for outside of strings. */
const causes: readonly (Cause & { readonly code: FindingCode })[] = [
  { pattern: /^\s*[[({]\s*'|[[{,:]\s*(?:None|True|False)\b/, code: 'json-python', found: 'the notation of Python', hint: fromPython },
  {
    pattern: /[[{,:]\s*-?(?:NaN|Infinity|nan|inf)\b/,
    code: 'json-number',
    found: 'NaN or Infinity, which JSON does not have',
    hint: 'Write null instead, or leave these rows out: DataFrame.to_json does, json.dumps of Python does not.',
  },
  {
    pattern: /[[{,:]\s*undefined\b/,
    code: 'json-invalid',
    found: 'undefined, which JSON does not have',
    hint: 'Write the rows with JSON.stringify(row), which leaves it out.',
  },
  { pattern: /,\s*[}\]]/, code: 'json-invalid', found: 'a comma before a closing bracket', hint: 'Remove the comma after the last value.' },
  { pattern: /^\s*[{[][^"]*[\u201c\u201d]/, code: 'json-invalid', found: 'curly quotes', hint: 'Write straight quotes: ".' },
  { pattern: /^\s*(?:\/\/|\/\*|#)/, code: 'json-invalid', found: 'a comment', hint: 'Remove it: rows of JSON have none.' },
];

/** What V8 says of a text, and what that means. */
const messages: readonly Cause[] = [
  {
    pattern: /^Bad control character/,
    found: 'a control character inside a text',
    hint: 'Inside quotes JSON writes a line end as \\n, a tab as \\t and others as \\u001b: json.dumps and JSON.stringify do.',
  },
  {
    pattern: /^Bad (?:escaped|Unicode)/,
    found: 'a backslash with other characters after it than JSON knows',
    hint: 'Write a backslash itself as \\\\: json.dumps and JSON.stringify do.',
  },
  {
    pattern: /^Unterminated string/,
    found: 'a text without its closing quote',
    hint: 'The line is cut short, or a quote inside it lacks its backslash.',
  },
  {
    pattern: /^Unexpected end/,
    found: 'the end of the line before that of its object',
    hint: 'The line is cut short: write or download it again.',
  },
  { pattern: /^Expected ':'/, found: 'a name without a colon after it', hint: 'A row is written so: {"name": "value", "other": 1}.' },
  {
    pattern: /^Expected ',' or/,
    found: 'a value without a comma or closing bracket after it',
    hint: 'A quote inside a text needs a backslash: \\".',
  },
  {
    pattern: /^Expected (?:double-quoted )?property/,
    found: 'no name in double quotes',
    hint: 'A row is written so: {"name": "value", "other": 1}.',
  },
  {
    pattern: /number/,
    found: 'a number in another form than that of JSON',
    hint: 'JSON writes numbers as 0.5, -1 or 1e9: not as .5, 01, +1 or 1.',
  },
];

/**
 * The refusal of a text that JSON.parse has refused.
 * @param place names file and line
 */
export function createJsonFailure(error: SyntaxError, text: string, place: string): Failure {
  const bare = dropStrings(text, '""');
  const cause = causes.find(({ pattern }) => pattern.test(bare));
  if (cause !== undefined) {
    return createDataFailure(cause.code, `${place}: not valid JSON: expected an object, found ${cause.found}`, { hint: cause.hint, error });
  }
  // V8 gives the position in the message only, and not always.
  const position = /at position (\d+)/.exec(error.message);
  const column = position !== null ? Number(position[1]) + 1 : error.message.includes('end of JSON input') ? text.length + 1 : null;
  const at = column === null ? place : `${place}:${column}`;
  const { found, hint } = describeMessage(error.message, text, column ?? 1);
  return createDataFailure('json-invalid', `${at}: not valid JSON: found ${found}, in ${formatValue(text)}`, { hint, error });
}

function describeMessage(message: string, text: string, column: number): { readonly found: string; readonly hint: string } {
  if (!/^\s*[{["]/.test(text)) {
    const hint = /[,;\t|]/.test(text) ? 'If the file is a table, give it a name that ends in .csv or .tsv.' : rowHint;
    return { found: 'no object', hint };
  }
  if (message.startsWith('Unexpected non-whitespace')) {
    if (text[column - 1] !== '{') return { found: 'text after the object', hint: 'Write one object on each line and nothing else.' };
    const hint = 'Write a line end between the two: it is missing where files are joined whose last line has none.';
    return { found: 'two objects on one line', hint };
  }
  const known = messages.find(({ pattern }) => pattern.test(message));
  if (known !== undefined) return known;
  const token = /^Unexpected token '(.+?)'/s.exec(message)?.[1];
  return { found: token === undefined ? 'no JSON' : `${formatValue(token)} where JSON has none`, hint: rowHint };
}

const rowHint = 'Each line is an object, such as {"text": "…", "label": "…"}.';

/** Parsers of the values of options, made for the flag that their errors name. All throw Failure `usage`. */
import { taskColumns } from '../dataset/row.ts';
import { requirements, type Requirement } from '../evaluate/comparison.ts';
import { Failure } from '../errors.ts';
import { mergeColumns, nameLabelColumns } from '../lib/label-columns.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90`, `90s`, `15m`, `2h`, `7d`, in milliseconds. */
export const durationMs = (flag: string) => (text: string) => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(text) ?? [];
  if (number === undefined) throw new Failure('usage', `${flag} expects a time such as 90s, 15m, 2h or 7d, found "${text}"`);
  return Number(number) * unitMs[(unit ?? 's') as keyof typeof unitMs];
};

/** A positive whole number. */
export const count = (flag: string) => (text: string) => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Failure('usage', `${flag} expects a positive whole number, found "${text}"`);
};

/** Dollars, such as `5`, `0.25` or `$5`. */
export const usd = (flag: string) => (text: string) => {
  if (/^\$?(\d{1,9}(\.\d*)?|\.\d+)$/.test(text)) return Number(text.replace('$', ''));
  throw new Failure('usage', `${flag} expects dollars such as 5 or 0.25, found "${text}"`);
};

/** Hours, such as `1` or `0.5`. */
export const hours = (flag: string) => (text: string) => {
  const number = /^(\d{1,4}(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : 0;
  if (number > 0) return number;
  throw new Failure('usage', `${flag} expects hours, such as 1 or 0.5, found "${text}"`);
};

/** A number in [0, `most`]. */
export const number = (flag: string, most: number, example: string) => (text: string) => {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (value <= most) return value;
  const range = most === Infinity ? 'a number' : `a number from 0 to ${most}`;
  throw new Failure('usage', `${flag} expects ${range}, such as ${example}, found "${text}"`);
};

/** A share such as `0.2` or `20%`, or a number of rows. */
export const amount = (flag: string) => (text: string) => {
  const share = /^(0?\.\d+)$/.test(text) ? Number(text) : /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : null;
  if (share !== null && share > 0 && share < 1) return { share };
  if (share === null && /^[1-9]\d{0,8}$/.test(text)) return { rows: Number(text) };
  throw new Failure('usage', `${flag} expects a share of the rows such as 0.2 or 20%, or a number of rows, found "${text}"`);
};

/** A whole number from 0 on. */
export const whole = (flag: string) => (text: string) => {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Failure('usage', `${flag} expects a whole number from 0 on, found "${text}"`);
};

/** A port; 0 is any that is free. */
export const port = (flag: string) => (text: string) => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (value <= 65_535) return value;
  throw new Failure('usage', `${flag} expects a port from 0 to 65535, found "${text}"`);
};

/** One of these words. */
export const oneOf =
  <Word extends string>(flag: string, words: readonly Word[]) =>
  (text: string) => {
    const word = words.find((one) => one === text);
    if (word !== undefined) return word;
    const last = words.at(-1)!;
    const expected = words.length === 1 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
    throw new Failure('usage', `${flag} expects ${expected}, found "${text}"`);
  };

/** Some of these words, with commas between them. */
export const listOf =
  <Word extends string>(flag: string, words: readonly Word[]) =>
  (text: string): Word[] =>
    text.split(',').map((word) => oneOf(flag, words)(word.trim()));

/** `name=value`, once for each time that the option is given. */
export const tags = (pair: string, previous: unknown): Record<string, string> => {
  const equals = pair.indexOf('=');
  if (equals <= 0) throw new Failure('usage', `--tag expects name=value, found "${pair}"`);
  return { ...(previous as Record<string, string> | undefined), [pair.slice(0, equals)]: pair.slice(equals + 1) };
};

const columnNames = [...new Set(Object.values(taskColumns).flat())];

/** `text=body,label=team`: columns of a file by the names that the program gives them. */
export const columns = (text: string) => {
  const pairs = text.split(',').map((pair) => /^(\w+)=(.+)$/.exec(pair) ?? []);
  const wrong = pairs.findIndex(([, name]) => name === undefined || !columnNames.includes(name));
  const twice = pairs.find(([, name], i) => name !== 'labels' && pairs.findIndex(([, other]) => other === name) < i)?.[1];
  if (wrong === -1 && twice !== undefined) throw new Failure('usage', `--columns expects each name once, found ${twice} twice`);
  if (wrong === -1) {
    const labels = pairs.flatMap(([, name, column]) => (name === 'labels' ? [column!] : []));
    const named = Object.fromEntries(pairs.map(([, name, column]) => [name!, column!]));
    return labels.length > 1 ? mergeColumns(named, nameLabelColumns(labels)) : named;
  }
  const expected = `--columns expects pairs such as text=body,label=team, with the names ${columnNames.join(', ')}`;
  throw new Failure('usage', `${expected}; found ${JSON.stringify(text.split(',')[wrong])}`);
};

/** What `--reference`, `--margin` and `--require` give. */
export interface VerdictFlags {
  readonly reference?: string;
  readonly margin?: number;
  readonly require?: Requirement;
}

export const requirement = oneOf('--require', requirements);

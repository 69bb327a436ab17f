import { Failure } from '../errors.ts';

/** An amount of dollars such as `5` or `0.25`; undefined where the flag was not given. @throws Failure `usage` */
export function parseUsd(flag: string, text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  if (/^\$?(\d{1,9}(\.\d*)?|\.\d+)$/.test(text)) return Number(text.replace('$', ''));
  throw new Failure('usage', `${flag} expects dollars such as 5 or 0.25, found "${text}"`);
}

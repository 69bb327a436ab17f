import { Failure } from '../errors.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90`, `90s`, `15m`, `2h`, `7d` as milliseconds. @throws Failure `usage` */
export function parseDurationMs(flag: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(text) ?? [];
  if (number === undefined) throw new Failure('usage', `${flag} expects a time such as 90s, 15m, 2h or 7d, found "${text}"`);
  return Number(number) * unitMs[(unit ?? 's') as keyof typeof unitMs];
}

/** A positive whole number. @throws Failure `usage` */
export function parseCount(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Failure('usage', `${flag} expects a positive whole number, found "${text}"`);
}

/** `name=value` pairs. @throws Failure `usage` */
export function parseTags(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair) => {
    const equals = pair.indexOf('=');
    if (equals <= 0) throw new Failure('usage', `--tag expects name=value, found "${pair}"`);
    return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
  });
  return Object.fromEntries(entries);
}

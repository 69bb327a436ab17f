import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';

/** Lists and objects inside one another; what is deeper is no conversation, and nothing that walks it may run out of stack. */
const maxDepth = 100;

/**
 * That a value which JSON.parse gave can be written again, byte for byte the same everywhere.
 * @param place names file, line and column in errors.
 * @throws Failure `data-invalid` for half of a surrogate pair, a number that no double holds (1e999), and deeper nesting.
 */
export function checkJson(value: unknown, place: string): void {
  const problem = findProblem(value, 0);
  if (problem !== null) throw new Failure('data-invalid', `${place}${problem}`);
}

/** The way to the first wrong value and what is wrong with it, put together on the way back: nothing is built for what is right. */
function findProblem(value: unknown, depth: number): string | null {
  if (typeof value === 'string')
    return value.isWellFormed() ? null : ': expected text, found half of a surrogate pair, which UTF-8 cannot hold';
  if (typeof value === 'number') return Number.isFinite(value) ? null : `: expected a number of 64 bits, found ${value}`;
  if (typeof value !== 'object' || value === null) return null;
  if (depth === maxDepth) return `: expected at most ${maxDepth} lists and objects inside one another, found more`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = findProblem(value[i], depth + 1);
      if (problem !== null) return `[${i}]${problem}`;
    }
    return null;
  }
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) return `: expected names of well-formed text, found ${formatValue(key)}`;
    const problem = findProblem((value as Record<string, unknown>)[key], depth + 1);
    if (problem !== null) return `${toStep(key)}${problem}`;
  }
  return null;
}

function toStep(key: string): string {
  return /^\w+$/.test(key) ? `.${key}` : `[${formatValue(key)}]`;
}

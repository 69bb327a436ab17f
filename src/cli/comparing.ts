import { listFailedRequirements, requirements, type Comparison, type Requirement } from '../evaluate/comparison.ts';
import type { CompareOptions } from '../evaluate/evaluate.ts';
import { Failure } from '../errors.ts';
import type { Cli } from './cli.ts';

/** `--reference`, `--margin` and `--require`. @throws Failure `usage` */
export function parseComparing(flags: Readonly<Record<string, unknown>>): CompareOptions & { readonly requirement: Requirement | null } {
  const { reference, margin, require } = flags as { reference?: string; margin?: string; require?: string };
  const requirement = requirements.find((one) => one === require) ?? null;
  if (require !== undefined && requirement === null) {
    throw new Failure('usage', `--require expects ${requirements.join(', ')}, found "${require}"`);
  }
  return { reference, margin: margin === undefined ? undefined : parseMargin(margin), requirement };
}

function parseMargin(text: string): number {
  const margin = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (margin >= 0 && margin <= 1) return margin;
  throw new Failure('usage', `--margin expects a number from 0 to 1, such as 0.02, found "${text}"`);
}

/** The exit status: 104 where a tuned model does not reach what is required, and a line about each that does not. */
export function tellUnmet(cli: Cli, comparisons: readonly Comparison[], requirement: Requirement | null): number {
  const unmet = requirement === null ? [] : listFailedRequirements(comparisons, requirement);
  for (const finding of unmet) cli.terminal.say(`--require ${requirement}: ${finding}`);
  return unmet.length > 0 ? 104 : 0;
}

import type { RunPlan } from '../../run/event.ts';
import { escapeLine } from '../escape.ts';
import { formatCount } from './format.ts';
import { toNoteText } from './run-view-text.ts';

const signs = { sent: ' ', defaulted: ' ', converted: '~', unsupported: '!', warning: '!' } as const;

/** What a target will be asked, field by field. */
export function toPlanText({ spec, facts, model, key, notes, quote }: RunPlan): string {
  const tests = Object.values(facts.test).reduce((sum, { rows }) => sum + rows, 0);
  const price =
    quote === null ? 'unknown' : quote.high === 0 ? `nothing (${quote.source})` : `$${quote.low} to $${quote.high} (${quote.source})`;
  return [
    escapeLine(`${spec.job}/${spec.target}`),
    `  provider  ${escapeLine(spec.provider)}`,
    `  model     ${escapeLine(model.base)}`,
    `  data      ${formatCount(facts.train.rows)} training, ${formatCount(facts.validation?.rows ?? 0)} validation, ${formatCount(tests)} held-out rows`,
    `  labels    ${escapeLine(
      Object.entries(facts.train.labels)
        .map(([label, rows]) => `${label} ${formatCount(rows)}`)
        .join(', '),
    )}`,
    `  cost      ${escapeLine(price)}`,
    `  key       ${escapeLine(key)}`,
    ...notes.map((note) => `  ${signs[note.type]} ${escapeLine(toNoteText(note))}`),
  ].join('\n');
}

/** The same for scripts. */
export function toPlanJson(plan: RunPlan): unknown {
  const { spec, key, request, notes, quote, model, facts, generation } = plan;
  const { job, target, provider } = spec;
  return { schema: 'orchestrate.plan/1', job, target, provider, key, generation, model, request, notes, cost: quote, data: facts };
}

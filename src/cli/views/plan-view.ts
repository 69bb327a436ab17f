import type { RequestPreview } from '../../provider/provider.ts';
import type { Scoring } from '../../evaluate/scoring.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunPlan } from '../../run/event.ts';
import { formatUsd } from '../../run/budget.ts';
import type { BudgetView } from '../../run/plan.ts';
import { escapeLine } from '../escape.ts';
import { formatCount } from './format.ts';
import { formatNote, formatPrice } from './run-view.ts';

const signs = { sent: ' ', defaulted: ' ', converted: '~', unsupported: '!', warning: '!' } as const;

/** A plan with the requests that a submission will send, where its provider tells them. */
export interface PlanView {
  readonly plan: RunPlan;
  readonly scoring: Scoring;
  readonly requests: readonly RequestPreview[] | null;
}

/** What a target will be asked, field by field. */
export function formatPlan(
  { plan: { spec, facts, model, key, notes, quote, deprecation = null }, scoring, requests }: PlanView,
  now: Date,
): string {
  const labels = Object.entries(facts.train.labels).map(([label, rows]) => `${label} ${formatCount(rows)}`);
  return [
    escapeLine(`${spec.job}/${spec.target}`),
    `  provider  ${escapeLine(spec.provider)}`,
    `  model     ${escapeLine(model.base)}`,
    `  data      ${formatCount(facts.train.rows)} training, ${formatCount(facts.validation?.rows ?? 0)} validation, ${formatCount(scoring.rows)} held-out rows`,
    ...(labels.length === 0 ? [] : [`  labels    ${escapeLine(labels.join(', '))}`]),
    ...(quote?.trainingTokens === undefined ? [] : [`  tokens    ${formatCount(quote.trainingTokens)} in one pass over the training rows`]),
    `  cost      ${escapeLine(quote === null ? 'price unknown' : formatPrice(quote))}`,
    ...formatScoring(scoring),
    `  key       ${escapeLine(key)}`,
    ...[...notes, ...formatDeprecationNotes(deprecation, now)].map((note) => `  ${signs[note.type]} ${escapeLine(formatNote(note))}`),
    ...(requests ?? []).map(formatRequest),
  ].join('\n');
}

function formatScoring({ maxTokens, problem }: Scoring): string[] {
  if (problem !== null) return [`  scoring   not possible: ${escapeLine(problem)}`];
  return maxTokens === null ? [] : [`  scoring   with answers of up to ${formatCount(maxTokens)} tokens`];
}

function formatRequest({ what, body }: RequestPreview): string {
  const lines = JSON.stringify(body, null, 2).split('\n').map(escapeLine);
  return `  > ${escapeLine(what)} ${lines.join('\n    ')}`;
}

/** What the job may spend, has spent and would spend; null where there is neither a limit nor anything spent. */
export function formatBudget(budget: BudgetView): string | null {
  const { budgetUsd, leftUsd, neededUsd, spentUsd, reservedUsd, unknown } = budget;
  if (budgetUsd === null && spentUsd === 0 && reservedUsd === 0 && unknown === 0) return null;
  const used = `${formatUsd(spentUsd)} spent, ${formatUsd(reservedUsd)} reserved`;
  const unpriced = unknown === 0 ? [] : [`${formatCount(unknown)} ${unknown === 1 ? 'run' : 'runs'} of unknown cost`];
  const limit = budgetUsd === null ? 'no limit' : formatUsd(budgetUsd);
  const left = leftUsd === null ? [] : [leftUsd < 0 ? `exceeded by ${formatUsd(-leftUsd)}` : `${formatUsd(leftUsd)} left`];
  const needed = neededUsd === null ? 'the price of these targets is unknown' : `these targets need up to ${formatUsd(neededUsd)}`;
  return `budget      ${limit}: ${[used, ...unpriced, ...left].join(', ')}; ${needed}`;
}

/** The same for scripts. */
export function toPlanJson({ plan, scoring, requests }: PlanView): unknown {
  const { spec, key, request, notes, quote, deprecation, model, facts, generation } = plan;
  const { job, target, provider } = spec;
  return {
    schema: 'orchestrate.plan/1',
    job,
    target,
    provider,
    key,
    generation,
    model,
    request,
    requests,
    notes,
    cost: quote,
    endsOn: deprecation ?? null,
    data: facts,
    scoring,
  };
}

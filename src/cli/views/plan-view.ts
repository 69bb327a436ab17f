import type { BaseModel } from '../../provider/model.ts';
import type { Estimate, RequestPreview } from '../../provider/provider.ts';
import type { Scoring } from '../../evaluate/scoring.ts';
import { formatDeprecationNotes } from '../../run/deprecation.ts';
import type { RunPlan } from '../../run/event.ts';
import { formatPriceSetting, formatUsd } from '../../run/budget.ts';
import type { PlanTokens } from '../../run/plan-tokens.ts';
import type { BudgetView } from '../../run/plan.ts';
import { formatBytes } from '../../lib/text.ts';
import { completeCommands } from '../cli.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatSeconds } from './format.ts';
import { formatNote, formatPrice } from './run-view.ts';

const signs = { sent: ' ', defaulted: ' ', converted: '~', unsupported: '!', warning: '!' } as const;

/** A plan with the requests that a submission will send, where its provider tells them. */
export interface PlanView {
  readonly plan: RunPlan;
  readonly scoring: Scoring;
  /** Absent, null: unknown. */
  readonly tokens?: PlanTokens | null;
  readonly requests: readonly RequestPreview[] | null;
}

/** What a target will be asked, field by field. */
export function formatPlan({ plan, scoring, tokens = null, requests }: PlanView, now: Date): string {
  const { spec, facts, model, key, notes, quote, estimate, deprecation = null } = plan;
  const labels = listLabels(facts.train.labels);
  return [
    escapeLine(`${spec.job}/${spec.target}`),
    `  provider  ${escapeLine(spec.provider)}`,
    ...formatModel(model).map((line) => `  ${escapeLine(line)}`),
    `  data      ${formatCount(facts.train.rows)} training, ${formatCount(facts.validation?.rows ?? 0)} validation, ${formatCount(scoring.rows)} held-out rows`,
    ...listOrigins(facts).map((origin) => `  from      ${escapeLine(origin)}`),
    ...(labels.length === 0 ? [] : [`  labels    ${escapeLine(labels.join(', '))}`]),
    ...formatTokens(quote?.trainingTokens, tokens, facts.train.rows),
    `  cost      ${escapeLine(formatCost(plan))}`,
    ...formatScoring(scoring),
    ...(estimate == null ? [] : [`  training  ${escapeLine(formatEstimate(estimate))}`]),
    `  key       ${escapeLine(key)}`,
    ...[...notes, ...formatDeprecationNotes(deprecation, now)].map((note) => `  ${signs[note.type]} ${escapeLine(formatNote(note))}`),
    ...(requests ?? []).map(formatRequest),
  ].join('\n');
}

/** In one pass over the training rows, and how many of these are cut. */
function formatTokens(priced: number | undefined, tokens: PlanTokens | null, rows: number): string[] {
  const all = priced ?? tokens?.all;
  if (all === undefined) return [];
  const isPart = tokens !== null && tokens.countedRows < rows;
  const pass = `${priced === undefined && isPart ? 'about ' : ''}${formatCount(all)} in one pass over the training rows`;
  if (tokens === null || tokens.limit === null) return [`  tokens    ${pass}`];
  const of = isPart ? ` of the first ${formatCount(tokens.countedRows)}` : '';
  if (tokens.cutRows === 0) return [`  tokens    ${pass}, none${of} cut after ${formatCount(tokens.limit)}`];
  return [`  tokens    ${pass}, ${formatCount(tokens.cutRows)}${of === '' ? ' rows' : of} cut after ${formatCount(tokens.limit)}`];
}

const shownOrigins = 4;

/** Where files come from that are not of this machine, each once. */
function listOrigins({ train, validation, test }: RunPlan['facts']): string[] {
  const sources = [train, ...(validation === null ? [] : [validation]), ...Object.values(test)].flatMap((part) => part.sources);
  const all = [...new Set(sources.flatMap(({ origin }) => origin ?? []))];
  return all.length <= shownOrigins ? all : [...all.slice(0, shownOrigins - 1), `${all.length - shownOrigins + 1} more files`];
}

const shownLabels = 12;
const shownCharacters = 40;

/** The first labels with their rows, and how many more there are. */
function listLabels(labels: RunPlan['facts']['train']['labels']): string[] {
  const all = Object.entries(labels);
  const isLong = all.some(([label]) => label.length > shownCharacters);
  const shown = all.slice(0, isLong ? 3 : shownLabels).map(([label, rows]) => {
    return `${label.length > shownCharacters ? `${label.slice(0, shownCharacters)}…` : label} ${formatCount(rows)}`;
  });
  return shown.length === all.length ? shown : [...shown, `${formatCount(all.length - shown.length)} more`];
}

function formatModel({ base, revision, license, endpoint, folder, downloadBytes }: BaseModel): string[] {
  const named = `model     ${base}`;
  if (endpoint === undefined) return [named];
  return [
    `${named} at the commit ${revision}`,
    `licence   ${license ?? 'none named in the card of the model'}`,
    downloadBytes === undefined ? `folder    ${folder}` : `download  ${formatBytes(downloadBytes)}, once, to ${folder}`,
  ];
}

function formatEstimate({ seconds, memoryBytes, source }: Estimate): string {
  return `about ${formatSeconds(seconds)}, ${formatBytes(memoryBytes)} of memory (${source})`;
}

/** What a training costs; of a model of a service a person may know the price. */
function formatCost({ quote, isPricedLate, spec, model, facts }: RunPlan): string {
  if (quote !== null) return formatPrice(quote);
  if (isPricedLate === true)
    return 'the service names its price for the uploaded rows, before anything is started: there the budget decides';
  if (facts.train.traits?.images !== undefined) return 'unknown: rows have images, which are not priced';
  const { kind } = spec.model;
  return kind === 'folder' || kind === 'hub' ? 'price unknown' : `price unknown: ${formatPriceSetting([model.base], ['training'])}`;
}

function formatScoring({ maxTokens, problem }: Scoring): string[] {
  if (problem !== null) return [`  scoring   not possible: ${escapeLine(completeCommands(problem))}`];
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
  const needed =
    neededUsd === null
      ? 'the price of these targets is unknown'
      : neededUsd === 0
        ? 'these targets need nothing more'
        : `these targets need up to ${formatUsd(neededUsd)}`;
  return `budget      ${limit}: ${[used, ...unpriced, ...left].join(', ')}; ${needed}`;
}

/** The same for scripts. */
export function toPlanJson({ plan, scoring, tokens = null, requests }: PlanView): unknown {
  const { spec, key, request, notes, quote, estimate, deprecation, model, facts, generation } = plan;
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
    estimate: estimate ?? null,
    endsOn: deprecation ?? null,
    data: facts,
    tokens,
    scoring,
  };
}

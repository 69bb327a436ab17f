import { formatUsd } from '../../run/budget.ts';
import type { Costs, CostSums } from '../../run/costs.ts';
import { escapeLine } from '../escape.ts';
import { formatCount, formatTable } from './format.ts';

const header = ['PROVIDER', 'TRAINING', 'ANSWERS', 'DEPLOYMENTS', 'SPENT', 'RESERVED', 'UNKNOWN'];

/** What runs have cost, a line a provider, and the names of what nobody knows the cost of. */
export function formatCosts({ runs, total, providers, unknown, notes }: Costs, width: number): string {
  const lines = [...providers.map(({ provider, ...sums }) => toLine(provider, sums)), toLine('all', total)];
  const right = header.map((_, column) => column).slice(1);
  return [
    `costs of ${formatCount(runs)} ${runs === 1 ? 'run' : 'runs'}`,
    '',
    formatTable([header, ...lines], { right, width, importance: [0, 4, 5, 6, 1, 2, 3] }),
    ...(unknown.length === 0 ? [] : ['', `not in these sums, because their cost is not known: ${escapeLine(unknown.join(', '))}`]),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function toLine(name: string, { trainingUsd, answersUsd, deploymentsUsd, spentUsd, reservedUsd, unknown }: CostSums): string[] {
  const amounts = [trainingUsd, answersUsd, deploymentsUsd, spentUsd, reservedUsd].map(formatUsd);
  return [escapeLine(name), ...amounts, unknown === 0 ? '' : formatCount(unknown)];
}

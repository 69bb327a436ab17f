/** What has been spent on runs, their models' answers and deployments, by provider and in all. */
import type { Store } from '../store/open-store.ts';
import type { ChargeTable } from '../store/tables.ts';
import { toUsd } from './budget.ts';
import { toRunId } from './record.ts';
import type { StoredRun } from './run-store.ts';

/** US dollars. What nobody knows is in no sum: `unknown` counts it. */
export interface CostSums {
  readonly trainingUsd: number;
  readonly answersUsd: number;
  readonly deploymentsUsd: number;
  /** All that was spent. */
  readonly spentUsd: number;
  /** For what has not ended, or has ended at a cost that nobody knows: its upper limit. */
  readonly reservedUsd: number;
  /** Trainings, answers and deployments of unknown cost. */
  readonly unknown: number;
}

/** `orchestrate.costs/1`. */
export interface Costs {
  readonly schema: 'orchestrate.costs/1';
  readonly currency: 'USD';
  readonly runs: number;
  readonly total: CostSums;
  /** By name; of answers and deployments that one of several providers may have given: their names together. */
  readonly providers: readonly ({ readonly provider: string } & CostSums)[];
  /** What is counted as unknown: the run, or the job with the purpose. */
  readonly unknown: readonly string[];
  readonly notes: readonly string[];
}

type Purpose = 'training' | 'answers' | 'deployments';

const purposes = { training: 'training', evaluation: 'answers', texts: 'answers', deployment: 'deployments' } as const satisfies Readonly<
  Record<ChargeTable['purpose'], Purpose>
>;

interface CountedCharge {
  readonly provider: string;
  readonly purpose: Purpose;
  readonly isSpent: boolean;
  /** Null where nobody knows. */
  readonly usd: number | null;
  readonly name: string;
}

/**
 * The costs of these runs, and of the answers and deployments of their jobs: those belong to whole jobs.
 * @param all every run that is stored; what was deleted since counts where nothing is filtered
 */
export async function readCosts(
  store: Store,
  runs: readonly StoredRun[],
  { all, isFiltered }: { readonly all: readonly StoredRun[]; readonly isFiltered: boolean },
): Promise<Costs> {
  const rows = await store
    .selectFrom('charge')
    .select(['id', 'job', 'workspace', 'purpose', 'state', 'micro_dollars'])
    .where('state', '!=', 'released')
    .execute();
  const chosen = new Map(runs.map((run) => [run.key, run]));
  const accounts = new Set(runs.map(toAccount));
  const stored = new Map(all.map((run) => [run.key, run]));
  const charges = rows.flatMap((row): CountedCharge[] => {
    const account = JSON.stringify([row.workspace, row.job]);
    const run = stored.get(row.id);
    const isTraining = row.purpose === 'training';
    const isWanted = !isFiltered || (isTraining ? chosen.has(row.id) : accounts.has(account));
    if (!isWanted) return [];
    const purpose = purposes[row.purpose];
    return [
      {
        provider: run?.record.plan.spec.provider ?? toProviders(all, account),
        purpose,
        isSpent: row.state === 'spent',
        usd: row.micro_dollars === null ? null : toUsd(Number(row.micro_dollars)),
        name: isTraining
          ? run === undefined
            ? `a run of ${row.job} that is not stored any more`
            : toRunId(run.record)
          : `${row.job}: ${purpose}`,
      },
    ];
  });
  const byProvider = [...Map.groupBy(charges, ({ provider }) => provider)].sort(([a], [b]) => a.localeCompare(b, 'en'));
  const isPartOfJob = isFiltered && all.some((run) => !chosen.has(run.key) && accounts.has(toAccount(run)));
  return {
    schema: 'orchestrate.costs/1',
    currency: 'USD',
    runs: runs.length,
    total: sumCharges(charges),
    providers: byProvider.map(([provider, of]) => ({ provider, ...sumCharges(of) })),
    unknown: charges.filter(({ usd }) => usd === null).map(({ name }) => name),
    notes: isPartOfJob ? ['answers and deployments are those of the whole jobs'] : [],
  };
}

function toAccount({ record }: StoredRun): string {
  const { job, workspace } = record.plan.spec;
  return JSON.stringify([workspace, job]);
}

/** Who may have been paid for the answers of a job: this machine asks for nothing. */
function toProviders(all: readonly StoredRun[], account: string): string {
  const ofJob = all.filter((run) => toAccount(run) === account);
  const paid = new Set(ofJob.filter(({ record }) => record.plan.quote?.high !== 0).map(({ record }) => record.plan.spec.provider));
  return paid.size === 0 ? 'not known' : [...paid].sort().join(' or ');
}

function sumCharges(charges: readonly CountedCharge[]): CostSums {
  const sum = (isCounted: (charge: CountedCharge) => boolean): number =>
    charges.filter(isCounted).reduce((total, { usd }) => total + Math.round((usd ?? 0) * 1e6), 0) / 1e6;
  const spent = (purpose: Purpose): number => sum((charge) => charge.isSpent && charge.purpose === purpose);
  return {
    trainingUsd: spent('training'),
    answersUsd: spent('answers'),
    deploymentsUsd: spent('deployments'),
    spentUsd: sum(({ isSpent }) => isSpent),
    reservedUsd: sum(({ isSpent }) => !isSpent),
    unknown: charges.filter(({ usd }) => usd === null).length,
  };
}

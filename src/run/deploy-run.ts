import { randomUUID } from 'node:crypto';
import type { DeploymentContext } from '../contract/context.ts';
import type { EndpointModel } from '../contract/model.ts';
import type { Provider } from '../contract/provider.ts';
import { Failure } from '../failure.ts';
import { releaseCharge, reserve, settleCharge } from './charges.ts';
import type { Driver } from './driver.ts';
import type { RunEvent } from './event.ts';
import { formatUsd } from './money.ts';
import { appendEvents, type StoredRun } from './run-store.ts';
import { toRunId } from './run-view.ts';

const hourMs = 3_600_000;

export interface DeployOptions {
  readonly hours: number;
  /** The most that these hours may cost; absent: the job's budget alone limits it, and there must be one. */
  readonly maxUsd?: number | undefined;
}

/**
 * Makes the tuned model of a run callable for so many hours, where its service wants that. What the hours cost is reserved, and the
 * intent stored under the name that the deployment will have, before the service is asked; asking again goes on with the same deployment.
 * @throws Failure `usage` where nothing can be deployed, `budget-exceeded`
 */
export async function deployRun(driver: Driver, run: StoredRun, { hours, maxUsd }: DeployOptions): Promise<StoredRun> {
  const { provider, model, c } = toSubject(driver, run);
  const append = toAppend(driver, run);
  let { deployment } = run.record;
  if (deployment === null) {
    const usdPerHour = await readPrice(provider, { model, c });
    const { job, workspace, budget } = run.record.plan.spec;
    const usd = usdPerHour * hours;
    checkLimit(run, { usd, maxUsd, budgetUsd: budget.usd });
    const charge = randomUUID();
    const name = `orchestrate-${run.key.slice(0, 16)}`;
    const now = driver.now();
    const until = new Date(now.getTime() + hours * hourMs).toISOString();
    await reserve(driver.store, { id: charge, job, workspace, what: 'deployment', usd, budgetUsd: budget.usd, at: now.toISOString() });
    ({ deployment } = (await append([{ type: 'deployment-intended', name, until, charge, usdPerHour }])).record);
  }
  return await append([{ type: 'model-deployed', model: await provider.deploy!(model, deployment!.name, c) }]);
}

/** Ends the deployment of a run, and settles what its hours have cost. Without one it changes nothing. */
export async function undeployRun(driver: Driver, run: StoredRun): Promise<StoredRun> {
  const { deployment } = run.record;
  if (deployment === null) return run;
  const { provider, c } = toSubject(driver, run);
  await provider.undeploy!(deployment.name, c);
  const ended = await toAppend(driver, run)([{ type: 'model-undeployed' }]);
  // Services charge by the hour: one that has begun is paid for whole.
  const hours = Math.ceil((driver.now().getTime() - Date.parse(deployment.since)) / hourMs);
  if (deployment.usdPerHour === 0) await releaseCharge(driver.store, deployment.charge);
  else await settleCharge(driver.store, deployment.charge, Math.max(1, hours) * deployment.usdPerHour);
  return ended;
}

interface Subject {
  readonly provider: Provider;
  readonly model: EndpointModel;
  readonly c: DeploymentContext;
}

function toSubject(driver: Driver, run: StoredRun): Subject {
  const provider = driver.provider(run);
  const model = run.record.artifacts[0]?.model;
  if (provider.deploy === undefined || model?.kind !== 'endpoint') {
    const found = model === undefined ? 'has no tuned model yet' : 'has a model that needs no deployment';
    throw new Failure('usage', `expected a run whose model has to be deployed before it answers; ${toRunId(run.record)} ${found}`);
  }
  return { provider, model, c: { ...driver.attempt(run), options: run.record.plan.spec.options } };
}

function toAppend(driver: Driver, run: StoredRun): (events: readonly RunEvent[]) => Promise<StoredRun> {
  return async (events) => await appendEvents(driver.store, run.key, { events, at: driver.now().toISOString(), fence: null });
}

async function readPrice(provider: Provider, { model, c }: Omit<Subject, 'provider'>): Promise<number> {
  const quote = (await provider.quoteDeployment?.(model, c)) ?? null;
  if (quote !== null) return quote.high;
  throw new Failure('budget-exceeded', `nobody knows what an hour of ${model.name} costs; nothing was started`, {
    hint: `set ORCHESTRATE_PRICES, such as {"${model.base}": {"hosting": 1.7}}, in US dollars per hour`,
  });
}

function checkLimit(
  run: StoredRun,
  { usd, maxUsd, budgetUsd }: { usd: number; maxUsd: number | undefined; budgetUsd: number | null },
): void {
  const limit = maxUsd ?? budgetUsd;
  if (usd === 0 || (limit !== null && (maxUsd === undefined || usd <= maxUsd))) return;
  const why = maxUsd === undefined ? 'nothing says how much may be spent' : `--max-usd allows ${formatUsd(maxUsd)}`;
  throw new Failure(
    'budget-exceeded',
    `deploying ${toRunId(run.record)} would cost up to ${formatUsd(usd)}, and ${why}; nothing was started`,
    {
      hint: 'allow it with --max-usd, or set budget.usd in the job file',
    },
  );
}

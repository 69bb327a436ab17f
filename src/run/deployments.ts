import { randomUUID } from 'node:crypto';
import type { DeploymentContext } from '../provider/context.ts';
import type { EndpointModel } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import { SubmitFailure } from '../provider/submit-failure.ts';
import { Failure } from '../errors.ts';
import { formatPriceSetting, formatUsd, releaseCharge, reserve, settleCharge } from './budget.ts';
import type { RunEvent } from './event.ts';
import { checkQuote } from './figures.ts';
import { getDeploymentUsd, getHoursUsd, hourMs, toRunId, type Deployment } from './record.ts';
import { appendEvents, findRun, type StoredRun } from './run-store.ts';
import { createAttempt, getProvider, type Driver } from './workspace.ts';

/** A deployment should end so long before its last paid hour is over, or a twentieth of its time before if that is less. */
const marginMs = 60_000;

export interface DeployOptions {
  readonly hours: number;
  /** The most that these hours may cost; absent: only the job's budget limits the cost, and there must be one. */
  readonly maxUsd?: number | undefined;
}

/**
 * Deploys the tuned model of a run for so many hours, where its service requires that. The cost of these hours is reserved, and the intent
 * stored under the name of the deployment, before the service is called; a second call continues the same deployment.
 * @throws Failure `usage` where nothing has to be deployed, `run-not-found` where there is no model yet, `budget-exceeded`
 */
export async function deployRun(driver: Driver, run: StoredRun, options: DeployOptions): Promise<StoredRun> {
  const subject = findSubject(driver, run);
  const { deployment, isNew } = await findOrIntend(driver, run, { ...options, subject });
  const { provider, model, context } = subject;
  let deployed: EndpointModel;
  try {
    deployed = await provider.deployments!.deploy(model, deployment.name, context);
  } catch (error) {
    if (!(error instanceof SubmitFailure)) throw error;
    if (isNew) await changeDeployment(driver, run, { deployment, event: { type: 'model-undeployed' }, usd: 0 });
    const { code, message, hint } = error.failure;
    throw new Failure(code, message, { error, ...(hint === null ? {} : { hint }) });
  }
  const ended = await changeDeployment(driver, run, { deployment, event: { type: 'model-deployed', model: deployed } });
  if (ended !== null) return ended;
  await provider.deployments!.undeploy(model, deployment.name, context);
  throw new Failure('store-locked', `another process ended the deployment of ${toRunId(run.record)} while it came up`);
}

/**
 * Ends the deployment of a run and settles the cost of its hours. Calling it again after a failure is safe.
 * @returns the cost in dollars; null where there was no deployment, and then nothing is changed
 */
export async function undeployRun(driver: Driver, run: StoredRun): Promise<{ run: StoredRun; usd: number | null }> {
  const { deployment } = run.record;
  if (deployment === null) return { run, usd: null };
  const { provider, model, context } = findSubject(driver, run);
  await provider.deployments!.undeploy(model, deployment.name, context);
  const usd = getDeploymentUsd(deployment, driver.context.now());
  const ended = await changeDeployment(driver, run, { deployment, event: { type: 'model-undeployed' }, usd });
  return ended === null ? { run: (await findRun(driver.store, run.key))!, usd: null } : { run: ended, usd };
}

/** The run among these whose model has to be deployed. @throws Failure `usage` where there are several */
export function findDeployable(driver: Driver, runs: readonly StoredRun[]): StoredRun {
  const deployable = runs.filter((candidate) => getProvider(driver, candidate).deployments !== undefined);
  const [run = runs[0]!, ...others] = deployable;
  if (others.length === 0) return run;
  const names = deployable.map(({ record }) => toRunId(record)).join(', ');
  throw new Failure('usage', `expected one run whose model has to be deployed, found ${names}`, { hint: 'name one of them' });
}

interface Subject {
  readonly provider: Provider;
  readonly model: EndpointModel;
  readonly context: DeploymentContext;
}

function findSubject(driver: Driver, run: StoredRun): Subject {
  const provider = getProvider(driver, run);
  const model = run.record.artifacts[0]?.model;
  const id = toRunId(run.record);
  if (provider.deployments === undefined)
    throw new Failure('usage', `${id} needs no deployment, like all models of the provider "${provider.id}"`);
  if (run.record.state !== 'succeeded' || model?.kind !== 'endpoint') {
    throw new Failure('run-not-found', `${id} has no tuned model yet`, { hint: `\`orchestrate wait ${id}\` waits for it` });
  }
  return { provider, model, context: { ...createAttempt(driver, run), options: run.record.plan.spec.options } };
}

/** The deployment of the run; if it has none the intent is stored and its cost reserved, in one transaction. */
async function findOrIntend(
  driver: Driver,
  run: StoredRun,
  { hours, maxUsd, subject }: DeployOptions & { readonly subject: Subject },
): Promise<{ deployment: Deployment; isNew: boolean }> {
  if (run.record.deployment !== null) return { deployment: run.record.deployment, isNew: false };
  const { job, workspace, budget } = run.record.plan.spec;
  const budgetUsd = budget.usd;
  const usdPerHour = await readPrice(subject);
  const ms = hours * hourMs;
  const usd = getHoursUsd(usdPerHour, ms);
  checkLimit(run, { usd, maxUsd, budgetUsd });
  const charge = randomUUID();
  const name = `orchestrate-${run.key.slice(0, 16)}`;
  const now = driver.context.now();
  const at = now.toISOString();
  const until = new Date(now.getTime() + ms - Math.min(marginMs, ms / 20)).toISOString();
  return await driver.store.transaction().execute(async (tx) => {
    const known = (await findRun(tx, run.key))!.record.deployment;
    if (known !== null) return { deployment: known, isNew: false };
    await reserve(tx, { id: charge, job, workspace, purpose: 'deployment', usd, budgetUsd, at });
    const events = [{ type: 'deployment-intended', name, until, charge, usdPerHour }] as const;
    const { record } = await appendEvents(tx, run.key, { events, at, fence: null });
    return { deployment: record.deployment!, isNew: true };
  });
}

/**
 * Stores what has happened to a deployment, with the change of its charge. Null, and nothing is stored, where the run has another
 * deployment by now, or none.
 */
async function changeDeployment(
  driver: Driver,
  { key }: StoredRun,
  { deployment, event, usd }: { readonly deployment: Deployment; readonly event: RunEvent; readonly usd?: number },
): Promise<StoredRun | null> {
  return await driver.store.transaction().execute(async (tx) => {
    const current = (await findRun(tx, key))!.record.deployment;
    if (current?.charge !== deployment.charge) return null;
    if (usd === 0) await releaseCharge(tx, deployment.charge);
    else if (usd !== undefined) await settleCharge(tx, deployment.charge, usd);
    return await appendEvents(tx, key, { events: [event], at: driver.context.now().toISOString(), fence: null });
  });
}

async function readPrice({ provider, model, context }: Subject): Promise<number> {
  const quote = checkQuote(await provider.deployments?.quote(model, context));
  if (quote !== null) return quote.high;
  throw new Failure('budget-exceeded', `the price of an hour of ${model.name} is unknown; nothing was started`, {
    hint: formatPriceSetting([model.base], ['hosting']),
  });
}

function checkLimit(
  run: StoredRun,
  { usd, maxUsd, budgetUsd }: { usd: number; maxUsd: number | undefined; budgetUsd: number | null },
): void {
  const limit = maxUsd ?? budgetUsd;
  if (usd === 0 || (limit !== null && (maxUsd === undefined || usd <= maxUsd))) return;
  const why = maxUsd === undefined ? 'no limit is set' : `--max-usd allows ${formatUsd(maxUsd)}`;
  throw new Failure(
    'budget-exceeded',
    `deploying ${toRunId(run.record)} would cost up to ${formatUsd(usd)}, and ${why}; nothing was started`,
    {
      hint: 'allow it with --max-usd, or set budget.usd in the job file',
    },
  );
}

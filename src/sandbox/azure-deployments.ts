import { refuse, toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { advanceAll } from './jobs.ts';
import type { Deployment, ServiceAccount } from './service-account.ts';

/** From the request until the management service says `Succeeded`, and from there until the model really answers. */
const creationMs = 500;
const warmUpMs = 200;
const hourMs = 3600_000;
const developerLifeMs = 24 * hourMs;

interface DeployBody {
  readonly sku: Deployment['sku'];
  readonly properties: { readonly model: { readonly name: string } };
}

export function deploy(call: Call): Answer {
  const { account, nowMs, dialect } = call;
  const { sku, properties } = call.body as DeployBody;
  const model = properties.model.name;
  advanceAll(account, nowMs);
  const isKnown = dialect.bases.some(({ id }) => id === model) || account.models.get(model)?.dialect.id === dialect.id;
  if (!isKnown) refuse(400, `The model '${model}' cannot be found.`, { code: 'InvalidResourceProperties' });
  const path = toPath(call);
  endExpired(account, nowMs);
  const before = account.deployments.get(path);
  if (before !== undefined) end(account, before, nowMs);
  const deployment: Deployment = { path, name: call.params['deployment']!, model, sku, createdMs: nowMs };
  account.deployments.set(path, deployment);
  account.bill.push({ kind: 'deployment', at: new Date(nowMs).toISOString(), deployment: deployment.name, model, sku: sku.name });
  return toAnswer(toWire(deployment, nowMs), before === undefined ? 201 : 200);
}

export function retrieveDeployment(call: Call): Answer {
  endExpired(call.account, call.nowMs);
  const path = toPath(call);
  const found = call.account.deployments.get(path) ?? refuse(404, `The deployment ${path} was not found.`, { code: 'ResourceNotFound' });
  return toAnswer(toWire(found, call.nowMs));
}

export function deleteDeployment(call: Call): Answer {
  const { account, nowMs } = call;
  endExpired(account, nowMs);
  const found = account.deployments.get(toPath(call));
  if (found === undefined) return toAnswer(undefined, 204);
  end(account, found, nowMs);
  return toAnswer(undefined, 200);
}

/** The model behind a deployment's name, once it answers. */
export function findDeployedModel({ account, nowMs }: Call, name: string): string {
  endExpired(account, nowMs);
  const found = [...account.deployments.values()].find((deployment) => deployment.name === name);
  if (found === undefined || nowMs < found.createdMs + creationMs)
    refuse(404, 'The API deployment for this resource does not exist.', { code: 'DeploymentNotFound' });
  if (nowMs < found.createdMs + creationMs + warmUpMs) refuse(404, 'The deployment is not ready yet.', { code: 'DeploymentNotReady' });
  return found.model;
}

function isDeveloperTier({ sku }: Deployment): boolean {
  return sku.name.toLowerCase() === 'developertier';
}

/** Deployments of the developer tier live for a day. */
function endExpired(account: ServiceAccount, nowMs: number): void {
  for (const deployment of account.deployments.values()) {
    const endMs = deployment.createdMs + developerLifeMs;
    if (isDeveloperTier(deployment) && endMs <= nowMs) end(account, deployment, endMs);
  }
}

function end(account: ServiceAccount, deployment: Deployment, nowMs: number): void {
  account.deployments.delete(deployment.path);
  const hours = isDeveloperTier(deployment) ? 0 : Math.ceil((nowMs - deployment.createdMs) / hourMs);
  account.bill.push({ kind: 'deployment-end', at: new Date(nowMs).toISOString(), deployment: deployment.name, hours });
}

function toPath({ params }: Pick<Call, 'params'>): string {
  const { subscription, group, account, deployment } = params;
  return (
    `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.CognitiveServices` +
    `/accounts/${account}/deployments/${deployment}`
  );
}

function toWire({ path, name, model, sku, createdMs }: Deployment, nowMs: number): unknown {
  return {
    id: path,
    type: 'Microsoft.CognitiveServices/accounts/deployments',
    name,
    sku,
    properties: {
      model: { format: 'OpenAI', name: model, version: '1' },
      provisioningState: nowMs < createdMs + creationMs ? 'Creating' : 'Succeeded',
    },
    systemData: { createdAt: new Date(createdMs).toISOString() },
  };
}

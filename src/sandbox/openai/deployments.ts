import { z } from 'zod';
import { formatTime } from '../clock.ts';
import { getParam, readBody, refuse } from '../http.ts';
import type { AccountState, SandboxContext } from '../service.ts';
import { advanceJobs } from './jobs.ts';
import type { Deployment } from './state.ts';

/** From the request until the management service says `Succeeded`, and from there until the model really answers. */
const creationMs = 500;
const warmUpMs = 200;
const hourMs = 3600_000;
const developerLifeMs = 24 * hourMs;

const Model = z.strictObject({ format: z.enum(['OpenAI', 'OpenAI-OSS']), name: z.string(), version: z.string() });
const DeployRequest = z.strictObject({
  sku: z.strictObject({ name: z.string().regex(/^(?:standard|globalstandard|developertier)$/i), capacity: z.int().min(1) }),
  properties: z.strictObject({ model: Model }),
});

export async function deploy(context: SandboxContext): Promise<Response> {
  const { account, dialect, service } = context.var;
  const { sku, properties } = await readBody(context, DeployRequest);
  const model = properties.model.name;
  const nowMs = service.clock.nowMs();
  advanceJobs(account, nowMs);
  const isKnown = dialect.bases.some(({ id }) => id === model) || account.openai.models.get(model)?.dialect.id === dialect.id;
  if (!isKnown) refuse(400, `The model '${model}' cannot be found.`, { code: 'InvalidResourceProperties' });
  const before = findDeployment(context);
  if (before !== undefined) endDeployment(account, before, nowMs);
  const deployment: Deployment = { path: context.req.path, name: getParam(context, 'deployment'), model, sku, createdMs: nowMs };
  account.openai.deployments.set(deployment.path, deployment);
  account.bill.push({ kind: 'deployment', at: formatTime(nowMs), deployment: deployment.name, model, sku: sku.name });
  return context.json(formatDeployment(deployment, nowMs), before === undefined ? 201 : 200);
}

export function retrieveDeployment(context: SandboxContext): Response {
  const found = findDeployment(context) ?? refuse(404, `The deployment ${context.req.path} was not found.`, { code: 'ResourceNotFound' });
  return context.json(formatDeployment(found, context.var.service.clock.nowMs()));
}

export function deleteDeployment(context: SandboxContext): Response {
  const found = findDeployment(context);
  if (found === undefined) return context.body(null, 204);
  endDeployment(context.var.account, found, context.var.service.clock.nowMs());
  return context.body(null, 200);
}

function findDeployment(context: SandboxContext): Deployment | undefined {
  endExpired(context);
  return context.var.account.openai.deployments.get(context.req.path);
}

/** The model behind a deployment's name, once it answers. */
export function findDeployedModel(context: SandboxContext, name: string): string {
  endExpired(context);
  const { account, service } = context.var;
  const found = [...account.openai.deployments.values()].find((deployment) => deployment.name === name);
  const ageMs = found === undefined ? -1 : service.clock.nowMs() - found.createdMs;
  if (found === undefined || ageMs < creationMs)
    return refuse(404, 'The API deployment for this resource does not exist.', { code: 'DeploymentNotFound' });
  if (ageMs < creationMs + warmUpMs) refuse(404, 'The deployment is not ready yet.', { code: 'DeploymentNotReady' });
  return found.model;
}

function isDeveloperTier({ sku }: Deployment): boolean {
  return sku.name.toLowerCase() === 'developertier';
}

/** Deployments of the developer tier live for a day. */
function endExpired({ var: { account, service } }: SandboxContext): void {
  for (const deployment of account.openai.deployments.values()) {
    const endMs = deployment.createdMs + developerLifeMs;
    if (isDeveloperTier(deployment) && endMs <= service.clock.nowMs()) endDeployment(account, deployment, endMs);
  }
}

function endDeployment(account: AccountState, deployment: Deployment, nowMs: number): void {
  account.openai.deployments.delete(deployment.path);
  const hours = isDeveloperTier(deployment) ? 0 : Math.ceil((nowMs - deployment.createdMs) / hourMs);
  account.bill.push({ kind: 'deployment-end', at: formatTime(nowMs), deployment: deployment.name, hours });
}

function formatDeployment({ path, name, model, sku, createdMs }: Deployment, nowMs: number): object {
  return {
    id: path,
    type: 'Microsoft.CognitiveServices/accounts/deployments',
    name,
    sku,
    properties: {
      model: { format: 'OpenAI', name: model, version: '1' },
      provisioningState: nowMs < createdMs + creationMs ? 'Creating' : 'Succeeded',
    },
    systemData: { createdAt: formatTime(createdMs) },
  };
}

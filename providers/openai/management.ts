import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { createFetch, createRedactor, toHttpFailure } from '../../src/provider-kit/http.ts';
import { parseBaseUrl } from './base-url.ts';

/** What a deployment is asked to be: the bodies of Azure's `Deployments - Create Or Update`. */
export interface DeploymentBody {
  readonly sku: { readonly name: string; readonly capacity: number };
  readonly properties: { readonly model: { readonly format: string; readonly name: string; readonly version: string } };
}

/** A deployment as the management service tells it: the name of its model, and its state, such as `Creating` or `Succeeded`. */
export interface FoundDeployment {
  readonly model: string;
  readonly state: string;
}

/** The deployments of one account at Azure's management service, by their names. */
export interface Management {
  /** Null where there is none. */
  read(name: string): Promise<FoundDeployment | null>;
  /** Makes it, or makes the one of this name so. Sent once. */
  create(name: string, body: DeploymentBody): Promise<void>;
  /** Begins to end it; false where there is none. Sent once. */
  delete(name: string): Promise<boolean>;
}

/** The first one that knows the developer tier; the others are in it too. */
const apiVersion = '2025-07-01-preview';
const publicBaseUrl = 'https://management.azure.com';

const Deployment = z.looseObject({
  properties: z.looseObject({ provisioningState: z.string(), model: z.looseObject({ name: z.string() }) }),
});
const Refusal = z.looseObject({ error: z.looseObject({ code: z.string() }) });

/** Words for a deployment that is not there. That its account or group is not there is another thing. */
const endedStatuses: readonly string[] = ['ResourceNotFound', 'DeploymentNotFound', 'NotFound', '404'];

/**
 * The way to the account that the settings name.
 * @throws Failure `credentials-invalid`, `configuration-invalid`, with everything that is missing; nothing is asked then
 */
export function openManagement(context: Context): Management {
  const { secret, path, baseUrl } = readAccess(context);
  const redact = createRedactor([secret]);
  const send = createFetch({
    origin: new URL(baseUrl).origin,
    secrets: [secret],
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  const ask = async (method: string, name: string, body?: DeploymentBody): Promise<{ status: number; text: string } | null> => {
    const url = `${baseUrl}${path}/deployments/${encodeURIComponent(name)}`;
    const headers = { authorization: `Bearer ${secret.reveal()}`, accept: 'application/json', 'content-type': 'application/json' };
    const init = { method, headers, signal: context.signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await send(`${url}?api-version=${apiVersion}`, init);
    const { status, ok } = response;
    const text = await response.text();
    if (ok) return { status, text };
    if (status === 404 && method !== 'PUT' && isNotFound(text)) return null;
    const answered = Object.assign(new Error('no success'), { statusCode: status, data: text, headers: response.headers });
    throw toHttpFailure(answered, { what: `${method} ${url}`, redact, now: context.now() });
  };
  return {
    async read(name) {
      const found = await ask('GET', name);
      return found === null ? null : parseDeployment(found.text, name);
    },
    create: async (name, body) => void (await ask('PUT', name, body)),
    delete: async (name) => (await ask('DELETE', name)) !== null,
  };
}

const accountSettings = ['AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'AZURE_ACCOUNT'] as const;
const tokenName = 'AZURE_MANAGEMENT_TOKEN';

function readAccess(context: Context): { secret: NonNullable<ReturnType<Context['credential']>>; path: string; baseUrl: string } {
  const baseUrl = parseBaseUrl(context.setting('AZURE_MANAGEMENT_URL') ?? publicBaseUrl, 'AZURE_MANAGEMENT_URL');
  const secret = context.credential(tokenName);
  const [subscription = null, group = null, account = null] = accountSettings.map((name) => context.setting(name));
  if (secret === null || subscription === null || group === null || account === null) {
    const missing = [...(secret === null ? [tokenName] : []), ...accountSettings.filter((name) => context.setting(name) === null)];
    throw new Failure(
      secret === null ? 'credentials-invalid' : 'configuration-invalid',
      `Azure deploys a model by its management service, for which ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      {
        hint: `"az account get-access-token --resource ${publicBaseUrl}" gives the token, and "az cognitiveservices account list" the names; nothing was started`,
      },
    );
  }
  const [s, g, a] = [subscription, group, account].map(encodeURIComponent);
  return { secret, baseUrl, path: `/subscriptions/${s}/resourceGroups/${g}/providers/Microsoft.CognitiveServices/accounts/${a}` };
}

function parseDeployment(text: string, name: string): FoundDeployment {
  const result = Deployment.safeParse(toJson(text));
  if (!result.success)
    throw new Failure('response-invalid', `the deployment ${name}: expected its model and its state, found something else`);
  const { provisioningState, model } = result.data.properties;
  return { model: model.name, state: provisioningState };
}

function isNotFound(text: string): boolean {
  const result = Refusal.safeParse(toJson(text));
  return result.success && endedStatuses.includes(result.data.error.code);
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import { parseJsonOr } from '../../src/lib/json.ts';
import type { Context } from '../../src/provider/context.ts';
import { createFetch, createRedactor, toAnswerFailure, type Secret } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { parseBaseUrl } from '../../src/provider-kit/settings.ts';

/** A deployment as it is asked for: the body of Azure's `Deployments - Create Or Update`. */
export interface DeploymentBody {
  readonly sku: { readonly name: string; readonly capacity: number };
  readonly properties: { readonly model: { readonly format: string; readonly name: string; readonly version: string } };
}

/** The deployments of one account at Azure's management service, by their names. */
export type Management = ReturnType<typeof openManagement>;

/** The first one that knows the developer tier; the others are in it too. */
const apiVersion = '2025-07-01-preview';
const publicBaseUrl = 'https://management.azure.com';

const Deployment = z.looseObject({
  properties: z.looseObject({ provisioningState: z.string(), model: z.looseObject({ name: z.string() }) }),
});

/** Words for a deployment that is not there. That its account or group is not there is another thing. */
const NotFound = z.looseObject({
  error: z.looseObject({ code: z.enum(['ResourceNotFound', 'DeploymentNotFound', 'NotFound', '404']) }),
});

/**
 * The way to the account that the settings name.
 * @throws Failure `credentials-invalid`, `configuration-invalid`, with everything that is missing; nothing is asked then
 */
export function openManagement(context: Context) {
  const { secret, path, baseUrl } = readAccess(context);
  const send = createFetch({
    origin: new URL(baseUrl).origin,
    secrets: [secret],
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  /** The answer's JSON, or its text; null where there is no such deployment. */
  const ask = async (method: string, name: string, body?: DeploymentBody): Promise<{ answer: unknown } | null> => {
    const url = `${baseUrl}${path}/deployments/${encodeURIComponent(name)}`;
    const headers = { authorization: `Bearer ${secret.reveal()}`, accept: 'application/json', 'content-type': 'application/json' };
    const init = { method, headers, signal: context.signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await send(`${url}?api-version=${apiVersion}`, init);
    const { status, ok } = response;
    const answer = parseJsonOr(await response.text(), '');
    if (ok) return { answer };
    if (status === 404 && method !== 'PUT' && NotFound.safeParse(answer).success) return null;
    const info = { what: `${method} ${url}`, redact: createRedactor([secret]), now: context.now() };
    throw toAnswerFailure({ status, headers: response.headers, body: answer }, info);
  };
  return {
    /** The name of its model, and its state, such as `Creating` or `Succeeded`; null where there is none. */
    async read(name: string): Promise<{ readonly model: string; readonly state: string } | null> {
      const found = await ask('GET', name);
      if (found === null) return null;
      const { provisioningState: state, model } = parseAnswer(Deployment, found.answer, `the deployment ${name}`).properties;
      return { model: model.name, state };
    },
    /** Makes it, or makes the one of this name so. Sent once. */
    create: async (name: string, body: DeploymentBody): Promise<void> => void (await ask('PUT', name, body)),
    /** Begins to end it; false where there is none. Sent once. */
    delete: async (name: string): Promise<boolean> => (await ask('DELETE', name)) !== null,
  };
}

const tokenName = 'AZURE_MANAGEMENT_TOKEN';
const accountSettings = ['AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'AZURE_ACCOUNT'] as const;

function readAccess(context: Context): { secret: Secret; path: string; baseUrl: string } {
  const baseUrl = parseBaseUrl(context.setting('AZURE_MANAGEMENT_URL') ?? publicBaseUrl, 'AZURE_MANAGEMENT_URL');
  const secret = context.credential(tokenName);
  const settings = accountSettings.map((name) => ({ name, value: context.setting(name) }));
  const missing = [...(secret === null ? [tokenName] : []), ...settings.filter(({ value }) => value === null).map(({ name }) => name)];
  if (secret === null || missing.length > 0) {
    throw new Failure(
      secret === null ? 'credentials-invalid' : 'configuration-invalid',
      `Azure deploys a model by its management service, for which ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      {
        hint: `"az account get-access-token --resource ${publicBaseUrl}" gives the token, and "az cognitiveservices account list" the names; nothing was started`,
      },
    );
  }
  const [subscription, group, account] = settings.map(({ value }) => encodeURIComponent(value ?? ''));
  const path = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.CognitiveServices/accounts/${account}`;
  return { secret, baseUrl, path };
}

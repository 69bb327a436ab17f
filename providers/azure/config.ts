import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import { parseBaseUrl, readCredential } from '../../src/provider-kit/settings.ts';
import { openaiStatusMap, type Auth, type OpenAICompatibleConfig } from '../openai-compatible/index.ts';
import deprecations from './deprecations.json' with { type: 'json' };

/** What a target may set under `options`. */
export const AzureOptions = z.strictObject({
  /** Ends up in the name of the tuned model; the name of the target when absent. */
  suffix: z.string().min(1).optional(),
  /** Where Azure trains, which decides the price: in the resource's region, anywhere, or on spare capacity. */
  trainingType: z.enum(['standard', 'globalStandard', 'developerTier']).optional(),
});

const credentials = ['AZURE_OPENAI_API_KEY', 'AZURE_OPENAI_AD_TOKEN'] as const;

export const config: OpenAICompatibleConfig = {
  id: 'azure',
  name: 'Azure OpenAI',
  baseUrl(context) {
    const endpoint = context.setting('AZURE_OPENAI_ENDPOINT');
    if (endpoint === null) {
      throw new Failure('configuration-invalid', 'AZURE_OPENAI_ENDPOINT: expected the address of a resource, found none', {
        hint: 'the portal shows it under "Keys and Endpoint", such as https://name.openai.azure.com',
      });
    }
    // `…/openai/v1` without a version, `…/openai` with one; an endpoint that names it already is taken as it is.
    const root = parseBaseUrl(endpoint, 'AZURE_OPENAI_ENDPOINT').replace(/\/openai(\/v1)?$/, '');
    return getApiVersion(context) === null ? `${root}/openai/v1` : `${root}/openai`;
  },
  credentials,
  auth,
  statusMap: { ...openaiStatusMap, created: 'queued', pending: 'queued' },
  options: AzureOptions,
  getExtraFields: ({ trainingType }) => (trainingType === undefined ? {} : { trainingType }),
  fence: 'delete-training-file',
  deprecations,
  getBaseName: (model) => model.replace(/\.ft-.*$/, ''), // gpt-4.1-mini-2025-04-14.ft-0a1b2c-suffix
  needsDeployment: true,
  explanations: {
    DeploymentNotFound: {
      code: 'model-unavailable',
      hint: 'a tuned model of Azure answers while it is deployed: `orchestrate deploy RUN --hours N` does that, and costs by the hour',
    },
    // It is there, and answers some seconds or minutes later.
    DeploymentNotReady: { code: 'service-unavailable', hint: 'run the command again in some minutes: the deployment is not ready yet' },
  },
};

/** Null: the interface without versions. */
function getApiVersion(context: Context): string | null {
  const version = context.setting('OPENAI_API_VERSION');
  return version === null || version === 'v1' ? null : version;
}

function auth(context: Context): Auth {
  const hint = 'the portal shows the key under "Keys and Endpoint"; "az account get-access-token" gives a token';
  const { name, secret } = readCredential(context, credentials, hint);
  const apiVersion = getApiVersion(context);
  // The interface without versions is asked as OpenAI is, with the key as a bearer.
  const isKeyHeader = name === 'AZURE_OPENAI_API_KEY' && apiVersion !== null;
  return { secret, apiVersion, ...(isKeyHeader ? { header: 'api-key' } : {}) };
}

import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import type { Secret } from '../../src/provider-kit/http.ts';
import { openClient } from './client.ts';
import type { Dialect } from './dialect.ts';
import { openaiStatusMap } from './openai.ts';
import { AzureOptions } from './options.ts';
import { parseBaseUrl } from './base-url.ts';

/** Azure OpenAI and Microsoft Foundry: the same jobs at another place; a tuned model answers once it is deployed. */
export const azureDialect: Dialect = {
  id: 'azure',
  name: 'Azure OpenAI',
  statusMap: { ...openaiStatusMap, created: 'queued', pending: 'queued' },
  listingDelayMs: 60_000,
  keyNames: ['AZURE_OPENAI_API_KEY', 'AZURE_OPENAI_AD_TOKEN'],
  options: AzureOptions,
  getBaseUrl(context) {
    const endpoint = context.setting('AZURE_OPENAI_ENDPOINT');
    if (endpoint === null) {
      throw new Failure('configuration-invalid', 'AZURE_OPENAI_ENDPOINT: expected the address of a resource, found none', {
        hint: 'it stands in the portal under "Keys and Endpoint", such as https://name.openai.azure.com',
      });
    }
    return toBaseUrl(parseBaseUrl(endpoint, 'AZURE_OPENAI_ENDPOINT'), toApiVersion(context));
  },
  async openClient(context, options) {
    const access = { ...toCredential(context), baseUrl: this.getBaseUrl(context), headers: {}, apiVersion: toApiVersion(context) };
    return await openClient(access, context, options);
  },
  toCreateExtras: ({ trainingType }) => (trainingType === undefined ? {} : { trainingType }),
  toBaseName: (model) => model.replace(/\.ft-.*$/, ''), // gpt-4.1-mini-2025-04-14.ft-0a1b2c-suffix
  toJobUrl: () => null,
};

/** Null: the interface without versions. */
function toApiVersion(context: Context): string | null {
  const version = context.setting('OPENAI_API_VERSION');
  return version === null || version === 'v1' ? null : version;
}

/** `…/openai/v1` without a version, `…/openai` with one; an endpoint that names it already is taken as it is. */
function toBaseUrl(endpoint: string, apiVersion: string | null): string {
  const root = endpoint.replace(/\/openai(\/v1)?$/, '');
  return apiVersion === null ? `${root}/openai/v1` : `${root}/openai`;
}

function toCredential(context: Context): { secret: Secret; header: { name: string; prefix: string } } {
  const key = context.credential('AZURE_OPENAI_API_KEY');
  const bearer = { name: 'authorization', prefix: 'Bearer ' };
  // The interface without versions is asked as OpenAI is.
  if (key !== null) return { secret: key, header: toApiVersion(context) === null ? bearer : { name: 'api-key', prefix: '' } };
  const token = context.credential('AZURE_OPENAI_AD_TOKEN');
  if (token !== null) return { secret: token, header: bearer };
  throw new Failure('credentials-invalid', 'AZURE_OPENAI_API_KEY, AZURE_OPENAI_AD_TOKEN: expected a key or a token, found neither', {
    hint: 'the key stands in the portal under "Keys and Endpoint"; "az account get-access-token" gives a token',
  });
}

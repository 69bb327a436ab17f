import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { openClient } from './client.ts';
import type { Dialect } from './dialect.ts';
import { toEndpointModel } from './endpoint.ts';
import { OpenAIOptions } from './options.ts';
import { parseBaseUrl } from './base-url.ts';

/** The service's words for a job. `pausing` and `paused` are on the wire though its client does not name them. */
export const openaiStatusMap = {
  validating_files: 'validating',
  queued: 'queued',
  running: 'running',
  pausing: 'paused',
  paused: 'paused',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;

const publicBaseUrl = 'https://api.openai.com/v1';

/** OpenAI, and gateways that speak as it does. */
export const openaiDialect: Dialect = {
  id: 'openai',
  name: 'OpenAI',
  statusMap: openaiStatusMap,
  listingDelayMs: 60_000,
  keyNames: ['OPENAI_API_KEY'],
  options: OpenAIOptions,
  getBaseUrl: (context) => parseBaseUrl(context.setting('OPENAI_BASE_URL') ?? publicBaseUrl, 'OPENAI_BASE_URL'),
  async openClient(context, options) {
    const secret = context.credential('OPENAI_API_KEY');
    if (secret === null) {
      throw new Failure('credentials-invalid', 'OPENAI_API_KEY: expected a key, found none', {
        hint: 'keys are made at https://platform.openai.com/api-keys',
      });
    }
    const baseUrl = this.getBaseUrl(context);
    const header = { name: 'authorization', prefix: 'Bearer ' };
    return await openClient({ baseUrl, secret, header, headers: toHeaders(context), apiVersion: null }, context, options);
  },
  toCreateExtras: () => ({}),
  // ft:base:organisation:suffix:id, also with ":ckpt-step-90"
  toBaseName: (model) => (model.startsWith('ft:') ? (model.split(':')[1] ?? model) : model),
  baseModel(request, context) {
    return toEndpointModel(this, request.model, context);
  },
  toJobUrl: (baseUrl, id) => (baseUrl === publicBaseUrl ? `https://platform.openai.com/finetune/${encodeURIComponent(id)}` : null),
};

/** Who pays, where a key may act for several. */
function toHeaders(context: Context): Record<string, string> {
  const organization = context.setting('OPENAI_ORG_ID');
  const project = context.setting('OPENAI_PROJECT_ID');
  return {
    ...(organization === null ? {} : { 'openai-organization': organization }),
    ...(project === null ? {} : { 'openai-project': project }),
  };
}

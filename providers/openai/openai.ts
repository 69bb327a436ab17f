import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { openClient } from './client.ts';
import type { Dialect } from './dialect.ts';
import { toEndpoint } from './endpoint.ts';
import { OpenAIOptions } from './options.ts';
import { parsePlace } from './base-url.ts';

/** The service's words for a job. `pausing` and `paused` are on the wire though its client does not name them. */
export const openaiWords = {
  validating_files: 'validating',
  queued: 'queued',
  running: 'running',
  pausing: 'paused',
  paused: 'paused',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
} as const;

const publicPlace = 'https://api.openai.com/v1';

/** OpenAI, and gateways that speak as it does. */
export const openaiDialect: Dialect = {
  id: 'openai',
  name: 'OpenAI',
  words: openaiWords,
  settleMs: 60_000,
  keyNames: ['OPENAI_API_KEY'],
  options: OpenAIOptions,
  toPlace: (c) => parsePlace(c.setting('OPENAI_BASE_URL') ?? publicPlace, 'OPENAI_BASE_URL'),
  async openClient(c, options) {
    const secret = c.credential('OPENAI_API_KEY');
    if (secret === null) {
      throw new Failure('credentials-invalid', 'OPENAI_API_KEY: expected a key, found none', {
        hint: 'keys are made at https://platform.openai.com/api-keys',
      });
    }
    const place = this.toPlace(c);
    const header = { name: 'authorization', prefix: 'Bearer ' };
    return await openClient({ place, secret, header, headers: toHeaders(c), apiVersion: null }, c, options);
  },
  toCreateExtras: () => ({}),
  // ft:base:organisation:suffix:id, also with ":ckpt-step-90"
  toBaseName: (model) => (model.startsWith('ft:') ? (model.split(':')[1] ?? model) : model),
  baseModel(request, c) {
    return toEndpoint(this, request.model, c);
  },
  toJobUrl: (place, id) => (place === publicPlace ? `https://platform.openai.com/finetune/${encodeURIComponent(id)}` : null),
};

/** Who pays, where a key may act for several. */
function toHeaders(c: Context): Record<string, string> {
  const organization = c.setting('OPENAI_ORG_ID');
  const project = c.setting('OPENAI_PROJECT_ID');
  return {
    ...(organization === null ? {} : { 'openai-organization': organization }),
    ...(project === null ? {} : { 'openai-project': project }),
  };
}

import type { Context } from '../../src/provider/context.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { parseBaseUrl } from '../../src/provider-kit/settings.ts';
import { loadRowTokenizer } from '../openai-compatible/row-tokenizer.ts';
import { createOpenAICompatible, openaiStatusMap, readBearer, type OpenAICompatibleConfig } from '../openai-compatible/index.ts';
import deprecations from './deprecations.json' with { type: 'json' };
import prices from './prices.json' with { type: 'json' };

const publicBaseUrl = 'https://api.openai.com/v1';
const readKey = readBearer('OPENAI_API_KEY', 'keys are made at https://platform.openai.com/api-keys');

/** OpenAI, and gateways that speak as it does. */
export const config: OpenAICompatibleConfig = {
  id: 'openai',
  name: 'OpenAI',
  baseUrl: (context) => parseBaseUrl(context.setting('OPENAI_BASE_URL') ?? publicBaseUrl, 'OPENAI_BASE_URL'),
  credentials: ['OPENAI_API_KEY'],
  auth: (context) => ({ ...readKey(context), headers: getPayer(context) }),
  statusMap: openaiStatusMap,
  fence: 'delete-training-file',
  prices,
  deprecations,
  // ft:base:organisation:suffix:id, also with ":ckpt-step-90"
  getBaseName: (model) => (model.startsWith('ft:') ? (model.split(':')[1] ?? model) : model),
  getJobUrl: (baseUrl, id) => (baseUrl === publicBaseUrl ? `https://platform.openai.com/finetune/${encodeURIComponent(id)}` : null),
  explanations: {
    training_not_available: {
      code: 'training-unavailable',
      hint: 'OpenAI ends fine-tuning: first for organizations that do not use it, from 2027-01-06 for all; take another provider, such as "azure", or "local" for a classifier',
    },
  },
};

/** Who pays, where a key may act for several. */
function getPayer(context: Context): Record<string, string> {
  const organization = context.setting('OPENAI_ORG_ID');
  const project = context.setting('OPENAI_PROJECT_ID');
  return {
    ...(organization === null ? {} : { 'openai-organization': organization }),
    ...(project === null ? {} : { 'openai-project': project }),
  };
}

export const openai: Provider = { ...createOpenAICompatible(config), loadTokenizer: loadRowTokenizer };

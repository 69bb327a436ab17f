import type Together from 'together-ai';
import { Failure, isFailure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Phase } from '../../src/provider/status.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { parseBaseUrl } from '../../src/provider-kit/settings.ts';
import { createApi, createClientFetch, placeholder, type CallOptions } from '../openai-compatible/client.ts';
import { toServiceFailure, toSubmitFailure } from '../openai-compatible/failures.ts';
import { readBearer, type OpenAICompatibleConfig } from '../openai-compatible/index.ts';

/** The service's words for a job, beside `user_error`, which only its Python client names. A job that was asked to stop has not ended. */
const statusMap = {
  pending: 'queued',
  queued: 'queued',
  running: 'running',
  compressing: 'finalizing',
  uploading: 'finalizing',
  cancel_requested: 'cancelling',
  cancelled: 'cancelled',
  error: 'failed',
  user_error: 'failed',
  completed: 'succeeded',
} as const satisfies Readonly<Record<Together.FinetuneResponse['status'] | 'user_error', Phase>>;

/** Together answers as OpenAI does; its files and jobs are its own. */
export const config: OpenAICompatibleConfig = {
  id: 'together',
  name: 'Together',
  baseUrl: (context) => parseBaseUrl(context.setting('TOGETHER_BASE_URL') ?? 'https://api.together.ai/v1', 'TOGETHER_BASE_URL'),
  credentials: ['TOGETHER_API_KEY'],
  auth: readBearer('TOGETHER_API_KEY', 'keys are made at https://api.together.ai/settings/api-keys'),
  statusMap,
  fence: 'delete-training-file',
  chat: { maxTokens: 'max_tokens', logprobs: 1 },
  needsDeployment: true,
};

export const api = createApi(config);

/** Words may come in any case; one that is not listed is no end. */
export function toPhase(word: string): Phase {
  const lower = word.toLowerCase();
  return Object.hasOwn(statusMap, lower) ? statusMap[lower as keyof typeof statusMap] : 'unknown';
}

/** The official client, without its retries, its log and what it reads from the environment. */
async function openClient(context: Context, options: Omit<CallOptions, 'call'>): Promise<Together> {
  const { default: Client } = await import('together-ai');
  return new Client({
    baseURL: config.baseUrl(context),
    apiKey: placeholder,
    projectID: null,
    maxRetries: 0,
    timeout: 2 ** 31 - 1, // createFetch keeps the time
    logLevel: 'off',
    fetch: createClientFetch(config, context, options),
  });
}

/** Asks the service; whatever goes wrong is thrown as a Failure. */
export async function call<T>(
  { call: name, ...options }: CallOptions,
  context: Context,
  use: (client: Together) => Promise<T>,
): Promise<T> {
  try {
    return await use(await openClient(context, options));
  } catch (error) {
    throw toServiceFailure(error, api.describeRequest(name, context));
  }
}

/** The same for a call that may cost: it throws SubmitFailure. */
export async function submit<T>(name: string, context: Context, use: (client: Together) => Promise<T>): Promise<T> {
  if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before it was sent'));
  const client = await openClient(context, {}).catch((error: unknown) => {
    throw isFailure(error) ? new SubmitFailure('no', error) : error;
  });
  try {
    return await use(client);
  } catch (error) {
    throw toSubmitFailure(error, { ...api.describeRequest(name, context), refusals: [402] });
  }
}

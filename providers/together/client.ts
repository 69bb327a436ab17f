import type Together from 'together-ai';
import type { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { Phase } from '../../src/provider/status.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { parseBaseUrl } from '../../src/provider-kit/settings.ts';
import { createApi, createCalls, getClientSettings, type CallOptions } from '../openai-compatible/client.ts';
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
  paysByTime: true,
};

export const api = createApi(config);

/** Words may come in any case; one that is not listed is no end. */
export function toPhase(word: string): Phase {
  const lower = word.toLowerCase();
  return Object.hasOwn(statusMap, lower) ? statusMap[lower as keyof typeof statusMap] : 'unknown';
}

async function openClient(context: Context, options: Omit<CallOptions, 'call'>): Promise<Together> {
  const { default: Client } = await import('together-ai');
  return new Client({ ...getClientSettings(config, context, options), projectID: null });
}

export const { call, submit } = createCalls<Together>({ open: openClient, describeRequest: api.describeRequest, refusals: [402] });

interface Read<T> extends Omit<CallOptions, 'call'> {
  /** With its query; the parts of it are safe. */
  readonly path: string;
  readonly schema: z.ZodType<T>;
}

/** Reads an answer; whatever goes wrong is thrown as a Failure. */
export async function read<T>({ path, schema, ...options }: Read<T>, context: Context): Promise<T> {
  const route = `GET ${path.split('?', 1)[0]}`;
  return await call({ call: route, ...options }, context, async (client) => parseAnswer(schema, await client.get(path), route));
}

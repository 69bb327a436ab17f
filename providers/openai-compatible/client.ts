import type OpenAI from 'openai';
import { z } from 'zod';
import { Failure, isFailure } from '../../src/errors.ts';
import { parseJsonOr } from '../../src/lib/json.ts';
import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { createFetch, createRedactor, type FetchOptions, type RequestInfo } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { readPages } from '../../src/provider-kit/paging.ts';
import { getSecrets, parseRequestDeadline } from '../../src/provider-kit/settings.ts';
import type { OpenAICompatibleConfig } from './config.ts';
import { getAnswer, toServiceFailure, toSubmitFailure } from './failures.ts';

/** A request, and how long and how large its answer may be; see `createFetch`. */
export type CallOptions = Pick<FetchOptions, 'deadlineMs' | 'body' | 'maxBodyBytes' | 'redirect'> & {
  /** Such as `GET /models`, for messages. */
  readonly call: string;
};

/** A list of the service, read page by page. */
export interface ListOptions {
  readonly call: string;
  /** Asks for a page with the client's own method. */
  list(client: OpenAI, query: { readonly limit: number; readonly after?: string }): { asResponse(): Promise<Response> };
  /**
   * Whether an item that is missing would be a fault: the list then throws for an item without an id, and where it does not come to an
   * end.
   */
  readonly mustBeComplete?: boolean;
}

const WireItem = z.looseObject({ id: z.string().min(1) });
const CompletePage = z.looseObject({ data: z.array(WireItem), has_more: z.boolean().nullish() });
const Page = z.looseObject({ data: z.array(z.unknown()), has_more: z.unknown().optional() });

/** An item of a list as the service wrote it. */
export type WireItem = Readonly<z.infer<typeof WireItem>>;

/** The service as everything else here sees it. */
export interface Api extends Calls<OpenAI> {
  readonly config: OpenAICompatibleConfig;
  readBaseUrl(context: Context): string;
  getBaseName(model: string): string;
  /** An existing model by the name that requests call it. */
  getModel(name: string, context: Context): EndpointModel;
  /**
   * The pages of a list, newest items first, each item once.
   * @throws Failure `request-refused` where the service has no such list, `response-invalid` for an answer that is none
   */
  readList(options: ListOptions, context: Context): AsyncGenerator<readonly WireItem[]>;
  /** For the files that are downloaded. */
  describeRequest(call: string, context: Context): RequestInfo;
  /** Masks the credentials in a text of the service. */
  redact(text: string, context: Context): string;
  /**
   * Checks that a job or a model is at the present address: the same id at another one is another thing, or somebody else's.
   * @param what for the message, such as `the job ftjob-1`
   * @throws Failure `configuration-invalid`
   */
  checkLocation(what: string, location: string, context: Context): void;
}

const pageSize = 100;

/** How a service is asked through an official client. */
interface CallSettings<Client> {
  open(context: Context, options: Omit<CallOptions, 'call'>): Promise<Client>;
  describeRequest(call: string, context: Context): RequestInfo;
  readonly explanations?: OpenAICompatibleConfig['explanations'];
  /** See `RequestInfo`; of the call that may cost. */
  readonly refusals?: readonly number[];
}

export interface Calls<Client> {
  /** Asks the service; whatever goes wrong is thrown as a Failure. */
  call<T>(options: CallOptions, context: Context, use: (client: Client) => Promise<T>): Promise<T>;
  /** The same for the one call that may cost: it throws SubmitFailure. */
  submit<T>(call: string, context: Context, use: (client: Client) => Promise<T>): Promise<T>;
}

export function createCalls<Client>({ open, describeRequest, explanations, refusals = [] }: CallSettings<Client>): Calls<Client> {
  return {
    async call({ call, ...options }, context, use) {
      const client = await open(context, options);
      try {
        return await use(client);
      } catch (error) {
        throw toServiceFailure(error, describeRequest(call, context), explanations);
      }
    },
    async submit(call, context, use) {
      if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before it was sent'));
      const client = await open(context, {}).catch((error: unknown) => {
        throw isFailure(error) ? new SubmitFailure('no', error) : error;
      });
      try {
        return await use(client);
      } catch (error) {
        throw toSubmitFailure(error, { ...describeRequest(call, context), refusals }, explanations);
      }
    },
  };
}

export function createApi(config: OpenAICompatibleConfig): Api {
  const { name, credentials, explanations } = config;
  const readBaseUrl = (context: Context): string => config.baseUrl(context);
  const getBaseName = (model: string): string => config.getBaseName?.(model) ?? model;
  const redact = (text: string, context: Context): string => createRedactor(getSecrets(context, credentials))(text);
  const describeRequest = (call: string, context: Context): RequestInfo => {
    const [method, path] = call.split(' ', 2);
    return {
      what: `${method} ${readBaseUrl(context)}${path}`,
      redact: createRedactor(getSecrets(context, credentials)),
      now: context.now(),
    };
  };
  const api: Api = {
    config,
    readBaseUrl,
    getBaseName,
    describeRequest,
    redact,
    ...createCalls<OpenAI>({
      open: async (context, options) => await openClient(config, context, options),
      describeRequest,
      ...(explanations === undefined ? {} : { explanations }),
    }),
    getModel(model, context) {
      const location = readBaseUrl(context);
      return { kind: 'endpoint', identity: `${location} ${model}`, location, name: model, base: getBaseName(model) };
    },
    readList({ call, list, mustBeComplete = false }, context) {
      const readPage = async (after: string | null) => {
        const query = { limit: pageSize, ...(after === null ? {} : { after }) };
        const answer = await api.call({ call }, context, async (client) => await readListAnswer(list(client, query), call));
        const { data, has_more: hasMore } = parseAnswer(mustBeComplete ? CompletePage : Page, answer, call);
        const items = data.flatMap((item) => WireItem.safeParse(item).data ?? []);
        return { items, next: hasMore === true ? (items.at(-1)?.id ?? '') : null };
      };
      return readPages(readPage, { call, mustBeComplete });
    },
    checkLocation(what, location, context) {
      const present = readBaseUrl(context);
      if (present === location) return;
      throw new Failure('configuration-invalid', `${name}: expected the address of ${what}, ${location}, found ${present}`, {
        hint: 'set the address of the service as it was when this was submitted',
      });
    },
  };
  return api;
}

/** Null where there is no such list: gateways lack routes, or answer that of a job's events with the job. */
async function readListAnswer(request: { asResponse(): Promise<Response> }, call: string): Promise<unknown> {
  const missing = new Failure('request-refused', `${call}: the service has no such list`);
  const response = await request.asResponse().catch((error: unknown) => {
    throw [404, 405, 501].includes(getAnswer(error).status ?? 0) ? missing : error;
  });
  // Not the client's own pages: they take any answer without "data", such as a page of a proxy, for an empty list.
  const answer = parseJsonOr(await response.text(), null);
  if (z.looseObject({ object: z.literal('fine_tuning.job') }).safeParse(answer).success) throw missing;
  return answer;
}

/** The client wants a key and gets this one: the real one is put in behind it, so that it is in none of its objects and errors. */
const placeholder = 'none';

/**
 * The official client, without its retries, its log and what it reads from the environment. Every call goes through `createFetch`, ends
 * with the context's signal, and throws what `toServiceFailure` explains.
 */
export async function openClient(
  config: OpenAICompatibleConfig,
  context: Context,
  options: Omit<CallOptions, 'call'> = {},
): Promise<OpenAI> {
  const { AzureOpenAI, OpenAI: Client } = await import('openai');
  const { apiVersion = null } = config.auth(context);
  const own = { adminAPIKey: null, organization: null, project: null, webhookSecret: null };
  const settings = { ...getClientSettings(config, context, options), ...own };
  return apiVersion === null ? new Client(settings) : new AzureOpenAI({ ...settings, apiVersion });
}

/** Settings of an official client that was made by the same generator: without its retries, its log and its clock. */
export function getClientSettings(config: OpenAICompatibleConfig, context: Context, options: Omit<CallOptions, 'call'>): ClientSettings {
  return {
    baseURL: config.baseUrl(context),
    apiKey: placeholder,
    maxRetries: 0,
    timeout: 2 ** 31 - 1, // createFetch keeps the time
    logLevel: 'off',
    fetch: createClientFetch(config, context, options),
  };
}

interface ClientSettings {
  readonly baseURL: string;
  readonly apiKey: string;
  readonly maxRetries: 0;
  readonly timeout: number;
  readonly logLevel: 'off';
  readonly fetch: typeof fetch;
}

/** The headers that the client may set itself: it would add others from the environment (`OPENAI_CUSTOM_HEADERS`). */
const clientHeader = /^(accept|content-type|user-agent|openai-beta|x-stainless-[\w-]+)$/;

/** A fetch for an official client: it goes to this service alone, with its credential and no header from the environment. */
export function createClientFetch(
  config: Pick<OpenAICompatibleConfig, 'auth' | 'baseUrl'>,
  context: Context,
  options: Omit<CallOptions, 'call'> = {},
): typeof fetch {
  const { secret, header, headers = {} } = config.auth(context);
  const send = createFetch({
    ...parseRequestDeadline(context),
    ...options,
    origin: new URL(config.baseUrl(context)).origin,
    secrets: secret === null ? [] : [secret],
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
  });
  const clientFetch: typeof fetch = async (input, init = {}) => {
    const own = [...new Headers(init.headers)].filter(([name]) => clientHeader.test(name));
    const credential =
      secret === null ? [] : [header === undefined ? ['authorization', `Bearer ${secret.reveal()}`] : [header, secret.reveal()]];
    const signal = init.signal == null ? context.signal : AbortSignal.any([context.signal, init.signal]);
    return await send(input, {
      ...init,
      headers: new Headers([...own, ...Object.entries(headers), ...(credential as [string, string][])]),
      signal,
    });
  };
  // Without it the client finds out by a call to `data:` whether this fetch knows forms.
  return Object.assign(clientFetch, { Response });
}

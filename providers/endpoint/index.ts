import { z } from 'zod';
import { Failure, isFailure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel, ModelRef } from '../../src/provider/model.ts';
import { toModelName } from '../../src/provider/model-name.ts';
import { defineProvider, type Inference } from '../../src/provider/provider.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { parseBaseUrl, readCredential } from '../../src/provider-kit/settings.ts';
import { createApi, type Api } from '../openai-compatible/client.ts';
import { createInference, type Price } from '../openai-compatible/index.ts';

const Options = z.strictObject({
  baseUrl: z.string().optional(),
  key: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable, never the key itself')
    .optional(),
  /** US dollars per million tokens. */
  price: z.strictObject({ input: z.number().nonnegative(), output: z.number().nonnegative() }).optional(),
});

const urlSetting = 'ENDPOINT_BASE_URL';

/** The model at the address that the options name, or else the settings. @throws Failure `configuration-invalid`, `job-file-invalid` */
function getModel(name: string, context: Context, options: Readonly<Record<string, unknown>> = {}): EndpointModel {
  const result = Options.safeParse(options);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => ['options', ...path].join('.') + `: ${message}`);
    throw new Failure('job-file-invalid', problems.join('\n'));
  }
  const { baseUrl, key, price } = result.data;
  const address = baseUrl ?? context.setting(urlSetting);
  if (address === null) {
    throw new Failure('configuration-invalid', 'expected the address where the model is served, found none', {
      hint: `give it as options.baseUrl, such as "http://gpu-box:8000/v1", or in ${urlSetting}`,
    });
  }
  const location = parseBaseUrl(address, baseUrl === undefined ? urlSetting : 'options.baseUrl', 'http://gpu-box:8000/v1');
  const model = { kind: 'endpoint', identity: `${location} ${name}`, location, name, base: name } as const;
  return { ...model, ...(key !== undefined && { credential: key }), ...(price !== undefined && { price }) };
}

/** The key goes to the address of its own model alone: one that options name gets that of the options, or none. */
function openApi(model: EndpointModel, context: Context): Api {
  const ownUrl = context.setting(urlSetting);
  const isOwn = ownUrl !== null && parseBaseUrl(ownUrl, urlSetting) === model.location;
  const key = model.credential ?? (isOwn && context.credential('ENDPOINT_API_KEY') !== null ? 'ENDPOINT_API_KEY' : null);
  return createApi({
    id: 'endpoint',
    name: `the endpoint ${model.location}`,
    baseUrl: () => model.location,
    credentials: key === null ? [] : [key],
    auth: () => (key === null ? { secret: null } : readCredential(context, [key], 'set the variable that options.key names')),
    statusMap: {},
    fence: null,
    prices: model.price === undefined ? {} : { [model.name]: { input: toPrice(model.price.input), output: toPrice(model.price.output) } },
    chat: { maxTokens: 'max_tokens', logprobs: true },
  });
}

const toPrice = (usd: number): Price => ({ usd, asOf: null, source: 'options.price' });

const Models = z.looseObject({ data: z.array(z.looseObject({ id: z.string() })) });
const mostNamed = 10;

/** Asks for the list of models first, so that a server that is not there, or serves another model, is said in one line. */
async function checkServed(api: Api, { name, location }: EndpointModel, context: Context): Promise<void> {
  const call = 'GET /models';
  try {
    const answer = await api.call({ call, deadlineMs: 15_000 }, context, async (client) =>
      (await client.models.list().asResponse()).json(),
    );
    const served = parseAnswer(Models, answer, call).data.map(({ id }) => id);
    if (served.includes(name)) return;
    const list = served.length === 0 ? 'none' : served.slice(0, mostNamed).join(', ');
    throw new Failure('model-unavailable', `${location}: expected it to serve "${name}", found ${list}`);
  } catch (error) {
    if (isFailure(error) && error.status === 404) return; // it has no such list
    if (!isFailure(error, 'service-unreachable')) throw error;
    const hint = 'start the server, or correct the address (options.baseUrl); it often ends with /v1';
    throw new Failure('service-unreachable', `nothing answers at ${location}: ${error.message}`, { hint });
  }
}

/** What answers as OpenAI does, with the part of it for this model. */
function openInference(
  model: ModelRef,
  context: Context,
): { readonly api: Api; readonly model: EndpointModel; readonly inference: Inference } {
  if (model.kind !== 'endpoint') throw new Failure('model-invalid', `expected a model that is served, found ${toModelName(model)}`);
  const api = openApi(model, context);
  return { api, model, inference: createInference(api) };
}

const refuse = (): never => {
  throw new Failure('job-file-invalid', 'the provider "endpoint" trains nothing: it asks a model that is served somewhere', {
    hint: 'name the model under "references", and train with another provider; a service that speaks as OpenAI does needs a profile here',
  });
};

/** Any model behind the chat route of OpenAI (vLLM, TGI, llama.cpp, a gateway), to compare with. */
export const endpoint = defineProvider({
  id: 'endpoint',
  statusMap: {},
  listingDelayMs: 0,
  training: { translate: refuse, prepare: refuse, bind: refuse, create: refuse, find: refuse, observe: refuse },
  inference: {
    takesOptions: true,
    getModel,
    async *predict(model, rows, context) {
      const open = openInference(model, context);
      await checkServed(open.api, open.model, context);
      yield* open.inference.predict!(model, rows, context);
    },
    price: (model, tokens, context) => openInference(model, context).inference.price!(model, tokens, context),
    // The first thing that is asked for: what does not answer needs no price.
    async quote(model, rows, context) {
      const open = openInference(model, context);
      if (rows.length > 0) await checkServed(open.api, open.model, context);
      return await open.inference.quote!(model, rows, context);
    },
  },
});

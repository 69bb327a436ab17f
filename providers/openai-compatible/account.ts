import { z } from 'zod';
import { isFailure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Account, Check } from '../../src/provider/provider.ts';
import type { Deprecation, ServiceFile, ServiceModel } from '../../src/provider/service.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import { getSecrets } from '../../src/provider-kit/settings.ts';
import type { Api } from './client.ts';
import { getDeprecation, isTunable } from './deprecations.ts';
import { fetchJob } from './fetch-job.ts';
import { listJobs } from './jobs.ts';
import type { Prepared } from './request.ts';

/** The part of a provider that lists what an account has. */
export function createAccount(api: Api): Account<Prepared> {
  return {
    async *jobs(context) {
      yield* listJobs(api, await readDeprecations(api, context), context);
    },
    models: (context) => listModels(api, context),
    files: (context) => listFiles(api, context),
    fetchJob: async (id, folder, context) => await fetchJob(api, { id, folder }, context),
  };
}

/** OpenAI says `created` and `shutdown_date`, Azure `created_at`, `capabilities` and `deprecation` (in Unix seconds). */
const WireModel = z.looseObject({
  id: z.string().min(1),
  created: z.unknown().optional(),
  created_at: z.unknown().optional(),
  shutdown_date: z.unknown().optional(),
  capabilities: z.looseObject({ fine_tune: z.unknown().optional() }).nullish().catch(null),
  deprecation: z.looseObject({ inference: z.unknown().optional() }).nullish().catch(null),
});
type WireModel = z.infer<typeof WireModel>;

const Models = z.looseObject({ data: z.array(WireModel) });

const modelsCall = 'GET /models';

/** The models of the service as it lists them; the list has no pages. */
async function readModels(api: Api, context: Context, deadlineMs?: number): Promise<readonly WireModel[]> {
  const limits = deadlineMs === undefined ? {} : { deadlineMs };
  return await api.call({ call: modelsCall, ...limits }, context, async (client) => {
    // Not the client's own page: it takes any answer without "data" for an empty list.
    const response = await client.models.list().asResponse();
    return parseAnswer(Models, await response.json(), modelsCall).data;
  });
}

/** The bases that can be tuned, then the account's tuned models, the newest first. */
async function* listModels(api: Api, context: Context): AsyncGenerator<ServiceModel> {
  const models = await readModels(api, context);
  const isTuned = ({ id }: WireModel): boolean => api.getBaseName(id) !== id;
  // Only Azure says it itself.
  const canLearn = ({ id, capabilities }: WireModel): boolean =>
    typeof capabilities?.fine_tune === 'boolean' ? capabilities.fine_tune : isTunable(api, id);
  const getEnd = mergeDeprecations(api, models);
  const toModel = ({ id, created, created_at }: WireModel, kind: ServiceModel['kind']): ServiceModel => {
    return { name: id, kind, createdAt: toIsoTime(created) ?? toIsoTime(created_at), end: getEnd(id) };
  };
  yield* models.filter((model) => !isTuned(model) && canLearn(model)).map((model) => toModel(model, 'base'));
  yield* models
    .filter(isTuned)
    .map((model) => toModel(model, 'tuned'))
    .sort((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? ''));
}

/** When models end: what the service says of the model or its base, else what was published; only the latter where it lists no models. */
async function readDeprecations(api: Api, context: Context): Promise<(model: string) => Deprecation | null> {
  try {
    return mergeDeprecations(api, await readModels(api, context));
  } catch {
    context.signal.throwIfAborted();
    return (model) => getDeprecation(api, model); // each date names its source, and a job without one is still listed
  }
}

function mergeDeprecations(api: Api, models: readonly WireModel[]): (model: string) => Deprecation | null {
  const reported = new Map(models.map((model) => [model.id, parseDeprecation(model)]));
  return (model) => reported.get(model) ?? reported.get(api.getBaseName(model)) ?? getDeprecation(api, model);
}

function parseDeprecation({ shutdown_date: day, deprecation }: WireModel): Deprecation | null {
  if (typeof day === 'string' && /^\d{4}-\d\d-\d\d$/.test(day)) return { date: day, source: `shutdown_date of ${modelsCall}`, asOf: null };
  const date = toIsoTime(deprecation?.inference)?.slice(0, 10);
  return date === undefined ? null : { date, source: `deprecation.inference of ${modelsCall}`, asOf: null };
}

const WireFile = z.looseObject({
  id: z.string(),
  filename: z.string().nullish().catch(null),
  purpose: z.string().nullish().catch(null),
  bytes: z.number().int().nonnegative().nullish().catch(null),
  created_at: z.unknown().optional(),
  expires_at: z.unknown().optional(),
});

/** Every file of the account, in the service's order. */
async function* listFiles(api: Api, context: Context): AsyncGenerator<ServiceFile> {
  const call = 'GET /files';
  for await (const items of api.readList({ call, list: (client, page) => client.files.list(page) }, context)) {
    for (const item of items) yield toServiceFile(item, call);
  }
}

/** An item of a list of files. @throws Failure `response-invalid` */
export function toServiceFile(item: unknown, call: string): ServiceFile {
  const { id, filename, purpose, bytes, created_at, expires_at } = parseAnswer(WireFile, item, call);
  const about = { name: filename ?? null, purpose: purpose ?? null, bytes: bytes ?? null };
  return { id, ...about, createdAt: toIsoTime(created_at), expiresAt: toIsoTime(expires_at) };
}

const checkMs = 15_000;

/** Whether the service answers with this key; it lists models, which costs nothing. Without a key nothing is asked. */
export async function checkService(api: Api, context: Context): Promise<Check[]> {
  return await checkKey(api, context, async (deadlineMs) => `${(await readModels(api, context, deadlineMs)).length} models`);
}

/** The same for a service that is asked otherwise. @param ask what it has to offer, in a few words */
export async function checkKey(api: Api, context: Context, ask: (deadlineMs: number) => Promise<string>): Promise<Check[]> {
  const { name, credentials } = api.config;
  if (getSecrets(context, credentials).length === 0) {
    // No fault: most people use only some services.
    return [{ name, ok: null, found: `not set up: ${credentials.join(' and ')} not set`, hint: null }];
  }
  try {
    const found = await ask(checkMs);
    return [{ name, ok: true, found: `the key works at ${api.readBaseUrl(context)}, ${found}`, hint: null }];
  } catch (error) {
    if (!isFailure(error)) throw error;
    return [{ name, ok: false, found: error.message, hint: error.hint }];
  }
}

import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { Deprecation, ServiceModel } from '../../src/provider/service.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { isTunable, getDeprecation } from './deprecations.ts';
import { toIsoTime } from './to-iso-time.ts';
import { parseAnswer } from './upload.ts';

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

const call = 'GET /models';

/** The models of the service as it lists them; the list has no pages. */
async function readModels(dialect: Dialect, context: Context): Promise<readonly WireModel[]> {
  return await callService(
    { dialect, call },
    context,
    async (client) => parseAnswer(Models, await client.get<unknown>('/models'), call).data,
  );
}

/** The bases that can be tuned, then the account's tuned models, the newest first. */
export async function* listModels(dialect: Dialect, context: Context): AsyncGenerator<ServiceModel> {
  const models = await readModels(dialect, context);
  const toModelEnd = readDeprecations(dialect, models);
  const toModel = ({ id, created, created_at }: WireModel, kind: ServiceModel['kind']): ServiceModel => {
    return { name: id, kind, createdAt: toIsoTime(created) ?? toIsoTime(created_at), end: toModelEnd(id) };
  };
  yield* models.filter((model) => !isTuned(dialect, model.id) && canLearn(dialect, model)).map((model) => toModel(model, 'base'));
  yield* models
    .filter(({ id }) => isTuned(dialect, id))
    .map((model) => toModel(model, 'tuned'))
    .sort((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? ''));
}

/** When models end: the service's own word for the model or its base, else that of the file; of the file alone where it lists none. */
export async function readEnds(dialect: Dialect, context: Context): Promise<(model: string) => Deprecation | null> {
  try {
    return readDeprecations(dialect, await readModels(dialect, context));
  } catch {
    context.signal.throwIfAborted();
    return (model) => getDeprecation(dialect, model); // a date says where it is from: what cannot be had hides no job
  }
}

function readDeprecations(dialect: Dialect, models: readonly WireModel[]): (model: string) => Deprecation | null {
  const reported = new Map(models.map((model) => [model.id, getDeprecationFromModel(model)]));
  return (model) => reported.get(model) ?? reported.get(dialect.toBaseName(model)) ?? getDeprecation(dialect, model);
}

function getDeprecationFromModel({ shutdown_date: day, deprecation }: WireModel): Deprecation | null {
  if (typeof day === 'string' && /^\d{4}-\d\d-\d\d$/.test(day)) return { date: day, source: `shutdown_date of ${call}`, asOf: null };
  const date = toIsoTime(deprecation?.inference)?.slice(0, 10);
  return date === undefined ? null : { date, source: `deprecation.inference of ${call}`, asOf: null };
}

function isTuned(dialect: Dialect, model: string): boolean {
  return dialect.toBaseName(model) !== model;
}

/** Only Azure says it itself. */
function canLearn(dialect: Dialect, { id, capabilities }: WireModel): boolean {
  return typeof capabilities?.fine_tune === 'boolean' ? capabilities.fine_tune : isTunable(dialect, id);
}

import type Together from 'together-ai';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Note } from '../../src/provider/note.ts';
import type { InspectedModel, Training } from '../../src/provider/provider.ts';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { getSecrets } from '../../src/provider-kit/settings.ts';
import { call, config } from './client.ts';

const limit = z.number().nullish().catch(null);
const Sizes = z.looseObject({ max_batch_size: limit, max_batch_size_dpo: limit, min_batch_size: limit, max_rank: limit }).nullish();

/** What a model can be tuned with; a limit that the service does not say is not checked. */
const Limits = z.looseObject({
  full_training: Sizes,
  lora_training: Sizes,
  max_num_epochs: limit,
  max_num_evals: limit,
  max_num_checkpoints: limit,
  min_learning_rate: limit,
  max_learning_rate: limit,
  max_seq_length_sft: limit,
  max_seq_length_dpo: limit,
  supports_full_training: z.boolean().nullish().catch(null),
});
type Limits = z.infer<typeof Limits>;

/** Reads the limits of a base model; without a key nothing is asked. @throws Failure `model-unavailable` */
export const inspectModel: NonNullable<Training['inspectModel']> = async (model, context) => {
  if (model.kind !== 'service') return toInspected(model.kind === 'hub' ? model.name : model.path, null, []);
  if (getSecrets(context, config.credentials).length === 0) {
    const message = 'the limits of the model were not looked at: TOGETHER_API_KEY is not set';
    return toInspected(model.name, null, [{ type: 'warning', message }]);
  }
  return toInspected(model.name, await readLimits(model.name, context), []);
};

async function readLimits(model: string, context: Context): Promise<Limits> {
  const route = 'GET /fine-tunes/models/limits';
  try {
    return await call({ call: route }, context, async (client) => {
      return parseAnswer<Limits>(Limits, await client.fineTuning.modelLimits({ model_name: model }), route);
    });
  } catch (error) {
    if (!isRefusedWith(error, 400, 404)) throw error;
    throw new Failure('model-unavailable', error.message, {
      hint: `Together does not tune ${model}; \`orchestrate models together\` lists them`,
    });
  }
}

function toInspected(base: string, limits: Limits | null, notes: readonly Note[]): InspectedModel {
  const model = { base, revision: null, maxLength: limits?.max_seq_length_sft ?? null };
  return { model: limits === null ? model : { ...model, config: limits }, notes };
}

/**
 * Checks a request against the limits of its model, which are only then known when the service was asked.
 * @throws Failure `job-file-invalid` with every problem, a line each
 */
export function checkLimits(
  request: Omit<Together.FineTuningCreateParams, 'training_file'>,
  { target, limits: found }: { readonly target: string; readonly limits: Readonly<Record<string, unknown>> | undefined },
): void {
  const limits = Limits.safeParse(found).data;
  if (limits === undefined) return;
  const { training_type: type, training_method: method } = request;
  const isDpo = method?.method === 'dpo';
  const sizes = type?.type === 'Full' ? limits.full_training : limits.lora_training;
  const checks: readonly (readonly [field: string, value: unknown, least: number | null | undefined, most: number | null | undefined])[] = [
    ['training.epochs', request.n_epochs, 1, limits.max_num_epochs],
    ['options.evals', request.n_evals, 0, limits.max_num_evals],
    ['options.checkpoints', request.n_checkpoints, 0, limits.max_num_checkpoints],
    ['training.learningRate', request.learning_rate, limits.min_learning_rate, limits.max_learning_rate],
    ['training.batchSize', request.batch_size, sizes?.min_batch_size, isDpo ? sizes?.max_batch_size_dpo : sizes?.max_batch_size],
    ['training.maxLength', request.max_seq_length, 1, isDpo ? limits.max_seq_length_dpo : limits.max_seq_length_sft],
    ['training.adapter.rank', type?.type === 'Lora' ? type.lora_r : undefined, 1, limits.lora_training?.max_rank],
  ];
  const problems = checks.flatMap(([field, value, least, most]) => {
    const isWithin = typeof value !== 'number' || (value >= (least ?? -Infinity) && value <= (most ?? Infinity));
    const range = most == null ? `at least ${least}` : `${least ?? 0} to ${most}`;
    return isWithin ? [] : [`targets.${target}.${field}: Together expects ${range} for ${request.model}, found ${value}`];
  });
  const isUntunable = type?.type === 'Full' && limits.supports_full_training === false;
  const full = isUntunable ? [`targets.${target}.training.adapter: Together tunes ${request.model} with "lora" only, found "full"`] : [];
  if (problems.length + full.length > 0) throw new Failure('job-file-invalid', [...problems, ...full].join('\n'));
}

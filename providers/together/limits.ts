import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { InspectedModel, Training } from '../../src/provider/provider.ts';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import { checkRanges } from '../../src/provider-kit/ranges.ts';
import { getSecrets } from '../../src/provider-kit/settings.ts';
import { config, read } from './client.ts';
import type { CreateRequest } from './request.ts';

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

/** Reads the limits of a base model; without a key nothing is asked. @throws Failure `model-unavailable` */
export const inspectModel: NonNullable<Training['inspectModel']> = async (model, context): Promise<InspectedModel> => {
  const base = model.kind === 'folder' ? model.path : model.name;
  const unknown = { base, revision: null, maxLength: null };
  if (model.kind !== 'service') return { model: unknown, notes: [] };
  if (getSecrets(context, config.credentials).length === 0) {
    const message = 'the limits of the model were not looked at: TOGETHER_API_KEY is not set';
    return { model: unknown, notes: [{ type: 'warning', message }] };
  }
  const path = `/fine-tunes/models/limits?model_name=${encodeURIComponent(base)}`;
  const limits = await read({ path, schema: Limits }, context).catch((error: unknown) => {
    if (!isRefusedWith(error, 400, 404)) throw error;
    const hint = `Together does not tune ${base}; \`orchestrate models together\` lists them`;
    throw new Failure('model-unavailable', error.message, { hint });
  });
  return { model: { ...unknown, maxLength: limits.max_seq_length_sft ?? null, config: limits }, notes: [] };
};

/**
 * Checks a request against the limits of its model, which are only then known when the service was asked.
 * @throws Failure `job-file-invalid` with every problem, a line each
 */
export function checkLimits(request: Omit<CreateRequest, 'rows'>, { target, limits: found }: { target: string; limits: unknown }): void {
  const limits = Limits.safeParse(found).data;
  if (limits === undefined) return;
  const { training_type: type, training_method: method, model } = request;
  const isFull = type?.type === 'Full';
  const sizes = isFull ? limits.full_training : limits.lora_training;
  const [longest, largest] =
    method?.method === 'dpo' ? [limits.max_seq_length_dpo, sizes?.max_batch_size_dpo] : [limits.max_seq_length_sft, sizes?.max_batch_size];
  const isUntunable = isFull && limits.supports_full_training === false;
  checkRanges(
    [
      { field: 'training.epochs', value: request.n_epochs, least: 1, most: limits.max_num_epochs },
      { field: 'options.evals', value: request.n_evals, least: 0, most: limits.max_num_evals },
      { field: 'options.checkpoints', value: request.n_checkpoints, least: 0, most: limits.max_num_checkpoints },
      { field: 'training.learningRate', value: request.learning_rate, least: limits.min_learning_rate, most: limits.max_learning_rate },
      { field: 'training.batchSize', value: request.batch_size, least: sizes?.min_batch_size, most: largest },
      { field: 'training.maxLength', value: request.max_seq_length, least: 1, most: longest },
      { field: 'training.adapter.rank', value: type?.type === 'Lora' ? type.lora_r : null, least: 1, most: sizes?.max_rank },
    ],
    {
      target,
      service: config.name,
      model,
      problems: isUntunable ? [`training.adapter: Together tunes ${model} with "lora" only, found "full"`] : [],
    },
  );
}

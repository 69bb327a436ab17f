import { assume } from './notes.ts';
import { toRefusal, toValue, type Source } from './source.ts';

export type TrlMethod = 'sft' | 'dpo';

/** Flags that only one of the two commands has. */
const own: Readonly<Record<TrlMethod, readonly string[]>> = {
  sft: [
    'packing',
    'packing_strategy',
    'eval_packing',
    'eos_token',
    'dataset_text_field',
    'dataset_kwargs',
    'completion_only_loss',
    'assistant_only_loss',
    'shuffle_dataset',
    'chat_template_path',
  ],
  dpo: [
    'beta',
    'precompute_ref_log_probs',
    'precompute_ref_batch_size',
    'ref_model_mixup_alpha',
    'ref_model_sync_steps',
    'sync_ref_model',
    'disable_dropout',
    'ld_alpha',
    'use_weighting',
    'discopop_tau',
    'f_alpha_divergence_coef',
    'f_divergence_type',
    'label_smoothing',
    'loss_weights',
  ],
};

/** The values of `loss_type` tell the commands apart, too. */
const sftLosses: readonly unknown[] = ['nll', 'dft', 'chunked_nll'];

function toMethods(source: Source): TrlMethod[] {
  const loss: unknown = [toValue(source, ['loss_type']) ?? []].flat()[0];
  const has = (method: TrlMethod): boolean => own[method].some((flag) => toValue(source, [flag]) !== undefined);
  const isSftLoss = sftLosses.includes(loss);
  return [
    ...(has('sft') || (loss !== undefined && isSftLoss) ? (['sft'] as const) : []),
    ...(has('dpo') || (loss !== undefined && !isSftLoss) ? (['dpo'] as const) : []),
  ];
}

/**
 * The command that the file is for: as it was said, else by the flags that only one has.
 * @throws Failure `data-invalid` for flags of both, or of the other one
 */
export function readTrlMethod(source: Source): TrlMethod {
  const found = toMethods(source);
  const said = source.context.method;
  if (said !== undefined && (found.length === 0 || found.includes(said))) return said;
  const [method] = found;
  if (found.length > 1 || said !== undefined) {
    throw toRefusal(source, [], `flags of trl ${said ?? 'sft or of trl dpo'}`, 'The file has flags of the other command, or of both.');
  }
  if (method === undefined) {
    const text = 'the file does not say for which command it is; where it is for trl dpo, import it with --method dpo';
    assume(source, ['(command)'], { field: 'training.method', value: 'sft', text });
  }
  return method ?? 'sft';
}

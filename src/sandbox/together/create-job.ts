import type Together from 'together-ai';
import { z } from 'zod';
import { formatTime } from '../clock.ts';
import { readBody, refuse } from '../http.ts';
import { parseTrainingFile } from '../openai/training-file.ts';
import type { AccountState, SandboxContext, Settings } from '../service.ts';
import { findReady } from './files.ts';
import { addTogetherEvent, formatShortJob, scheduleTogetherJob } from './jobs.ts';
import type { TogetherJob } from './state.ts';

/** The models of the stand-in that can be tuned, with limits as the service words them. */
export const togetherBases: Readonly<Record<string, Together.FinetuneModelLimits>> = Object.fromEntries(
  ['Qwen/Qwen3-8B', 'meta-llama/Meta-Llama-3.1-8B-Instruct-Reference'].map((model_name) => [
    model_name,
    {
      model_name,
      full_training: { max_batch_size: 32, max_batch_size_dpo: 16, min_batch_size: 8 },
      lora_training: {
        max_batch_size: 64,
        max_batch_size_dpo: 32,
        min_batch_size: 8,
        max_rank: 64,
        target_modules: ['k_proj', 'up_proj', 'o_proj', 'q_proj', 'down_proj', 'v_proj', 'gate_proj'],
      },
      default_gradient_accumulation_steps: 1,
      max_learning_rate: 0.01,
      min_learning_rate: 1e-8,
      min_max_seq_length: 512,
      max_num_checkpoints: 20,
      max_num_epochs: 20,
      max_num_evals: 100,
      max_seq_length_sft: 32768,
      max_seq_length_dpo: 16384,
      merge_output_lora: true,
      supports_full_training: true,
      supports_reasoning: true,
      supports_tools: true,
      supports_vision: false,
    },
  ]),
);

/** Errors that a creation can be set to get, by their code. */
const refusals = {
  training_not_available: [403, 'Fine-tuning is not available for this account.'],
  model_not_available: [400, 'The model is not supported for fine-tuning.'],
  insufficient_quota: [402, 'The account has insufficient funds.'],
  rate_limit_exceeded: [429, 'Rate limit reached. Please try again later.'],
  invalid_api_key: [401, 'Invalid API key provided.'],
  server_error: [503, 'The server is overloaded. Please try again later.'],
} as const satisfies Readonly<Record<NonNullable<Settings['refuse']>, readonly [status: number, message: string]>>;

const Ratio = z.number().min(0).max(1);
const TrainingMethod = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('sft'), train_on_inputs: z.union([z.boolean(), z.literal('auto')]) }),
  z.strictObject({
    method: z.literal('dpo'),
    dpo_beta: z.number().gt(0).optional(),
    dpo_normalize_logratios_by_length: z.boolean().optional(),
    dpo_reference_free: z.boolean().optional(),
    rpo_alpha: z.number().optional(),
    simpo_gamma: z.number().optional(),
  }),
]);
const TrainingType = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('Full') }),
  z.strictObject({
    type: z.literal('Lora'),
    lora_r: z.int().min(1),
    lora_alpha: z.int().min(1),
    lora_dropout: Ratio.optional(),
    lora_trainable_modules: z.string().optional(),
  }),
]);

const Priced = z.strictObject({
  training_file: z.string(),
  validation_file: z.string().optional(),
  model: z.string().optional(),
  n_epochs: z.int().min(1).default(1),
  n_evals: z.int().min(0).default(0),
  training_method: TrainingMethod.default({ method: 'sft', train_on_inputs: 'auto' }),
  training_type: TrainingType.nullish(),
  from_checkpoint: z.string().optional(),
});

/** The names are those of the published document and of the official client. */
const CreateJob = Priced.extend({
  model: z.string(),
  n_checkpoints: z.int().min(1).default(1),
  batch_size: z.union([z.int().min(1), z.literal('max')]).default('max'),
  gradient_accumulation_steps: z.int().min(1).optional(),
  learning_rate: z.number().gt(0).default(1e-5),
  lr_scheduler: z
    .strictObject({
      lr_scheduler_type: z.enum(['linear', 'cosine']),
      lr_scheduler_args: z.strictObject({ min_lr_ratio: z.number().optional(), num_cycles: z.number().optional() }).optional(),
    })
    .optional(),
  warmup_ratio: Ratio.default(0),
  max_grad_norm: z.number().min(0).default(1),
  weight_decay: z.number().min(0).default(0),
  max_seq_length: z.int().min(512).optional(),
  packing: z.boolean().default(true),
  random_seed: z.int().nullable().default(42),
  suffix: z.string().min(1).max(64).optional(),
  early_stopping_enabled: z.boolean().default(false),
  early_stopping_patience: z.int().min(1).default(2),
  early_stopping_min_delta: z.number().min(0).default(0),
  early_stopping_warmup_evals: z.int().min(0).nullable().default(1),
  hf_output_repo_name: z.string().optional(),
  wandb_project_name: z.string().optional(),
  wandb_name: z.string().optional(),
});
type CreateJob = z.infer<typeof CreateJob>;

/** Creates a job, which is what costs: from here on it is in the bill. */
export async function createTogetherJob(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readBody(context, CreateJob);
  const { refuse: code } = account.settings;
  if (code !== null) refuse(refusals[code][0], refusals[code][1], { code });
  const nowMs = service.clock.nowMs();
  checkLimits(body);
  const training = readReady(account, body.training_file, { param: 'training_file', nowMs });
  if (body.validation_file !== undefined) readReady(account, body.validation_file, { param: 'validation_file', nowMs });
  const job = buildJob(account, { body, nowMs, training });
  account.together.jobs.unshift(job);
  const { id, training_file: trainingFile, model } = job.wire;
  account.bill.push({ kind: 'job', at: formatTime(nowMs), job: id, trainingFile: trainingFile!, metadata: null, model: model! });
  scheduleTogetherJob(account, job);
  addTogetherEvent(job, { atMs: nowMs, type: 'job_pending', message: 'Fine-tune request created' });
  return context.json(formatShortJob(job));
}

function checkLimits(body: CreateJob): void {
  const limits = togetherBases[body.model];
  if (limits === undefined) return refuse(400, `The model ${body.model} is not supported for fine-tuning.`, { param: 'model' });
  const isLora = body.training_type?.type !== 'Full';
  const sizes = isLora ? limits.lora_training : limits.full_training!;
  const most = body.training_method.method === 'dpo' ? sizes.max_batch_size_dpo : sizes.max_batch_size;
  const check = (isFine: boolean, param: string, expected: string): void => {
    if (!isFine) refuse(400, `Invalid ${param}: expected ${expected}.`, { param });
  };
  check(body.n_epochs <= limits.max_num_epochs, 'n_epochs', `at most ${limits.max_num_epochs}`);
  check(body.n_evals <= limits.max_num_evals, 'n_evals', `at most ${limits.max_num_evals}`);
  check(body.n_evals === 0 || body.validation_file !== undefined, 'n_evals', 'a validation file with it');
  check(body.learning_rate <= limits.max_learning_rate, 'learning_rate', `at most ${limits.max_learning_rate}`);
  check(
    body.batch_size === 'max' || (body.batch_size >= sizes.min_batch_size && body.batch_size <= most),
    'batch_size',
    `${sizes.min_batch_size} to ${most}`,
  );
  const rank = body.training_type?.type === 'Lora' ? body.training_type.lora_r : 8;
  check(rank <= limits.lora_training.max_rank, 'lora_r', `at most ${limits.lora_training.max_rank}`);
  const evals = body.early_stopping_patience + (body.early_stopping_warmup_evals ?? 1) + 1;
  check(!body.early_stopping_enabled || body.n_evals >= evals, 'n_evals', `at least ${evals} for early stopping`);
}

function readReady(account: AccountState, id: string, { param, nowMs }: { readonly param: string; readonly nowMs: number }): Buffer {
  const bytes = findReady(account, id, nowMs);
  if (typeof bytes !== 'string') return bytes;
  return refuse(400, `The file ${id} cannot be used: ${bytes === 'early' ? 'it has not been validated' : bytes}.`, { param });
}

function parseFile(bytes: Buffer, method: 'sft' | 'dpo'): ReturnType<typeof parseTrainingFile> {
  return parseTrainingFile(bytes, method === 'dpo' ? 'dpo' : 'supervised', 'validation');
}

/** Dollars for a million tokens of models of at most 16 billion numbers, by method: invented, of the size that such services ask. */
const usdPerMillion = { sft: 0.48, dpo: 1.2 } as const;

/** What a job costs: the tokens of training by epochs, and those of validation by evaluations. */
function price(account: AccountState, body: z.infer<typeof Priced>, nowMs: number): { usd: number; train: number; evaluated: number } {
  const { method } = body.training_method;
  const count = (id: string | undefined): number => {
    const bytes = id === undefined ? 'missing' : findReady(account, id, nowMs);
    return typeof bytes === 'string' ? 0 : parseFile(bytes, method).tokens;
  };
  const train = count(body.training_file) * body.n_epochs;
  const evaluated = count(body.validation_file) * body.n_evals;
  return { usd: ((train + evaluated) * usdPerMillion[method]) / 1e6, train, evaluated };
}

/** What a job would cost; nothing is known before its files have been looked at. */
export async function estimatePrice(context: SandboxContext): Promise<Response> {
  const { account, service } = context.var;
  const body = await readBody(context, Priced);
  const nowMs = service.clock.nowMs();
  for (const [id, name] of [
    [body.training_file, 'train'],
    [body.validation_file, 'eval'],
  ] as const) {
    const found = id === undefined ? null : findReady(account, id, nowMs);
    if (found === 'missing') refuse(400, `File ${id} not found`);
    if (found === 'early' || found === 'invalid') {
      const reason = found === 'early' ? 'not_validated' : 'invalid';
      return context.json({ estimation_available: false, unavailable_reason: `${name}_file_${reason}` });
    }
  }
  if (account.settings.hidePrice) return context.json({ estimation_available: false, unavailable_reason: 'multimodal_dataset' });
  const { usd, train, evaluated } = price(account, body, nowMs);
  return context.json({
    estimation_available: true,
    estimated_total_price: usd,
    allowed_to_proceed: true,
    user_limit: 100,
    estimated_train_token_count: train,
    estimated_eval_token_count: evaluated,
  } satisfies Together.FineTuningEstimatePriceResponse);
}

const stepsEach = 8;

function buildJob(
  account: AccountState,
  { body, nowMs, training: bytes }: { readonly body: CreateJob; readonly nowMs: number; readonly training: Buffer },
): TogetherJob {
  const training = parseFile(bytes, body.training_method.method);
  const { from_checkpoint: _, training_type: type, gradient_accumulation_steps: __, ...kept } = body;
  const created_at = formatTime(nowMs);
  const size = typeof body.batch_size === 'number' ? body.batch_size : stepsEach;
  return {
    wire: {
      ...(kept as unknown as TogetherJob['wire']),
      lr_scheduler: body.lr_scheduler as Together.FineTuningListResponse.Data.LrScheduler,
      training_method: body.training_method as Together.FineTuningListResponse.Data.TrainingMethodSft,
      training_type: (type as Together.FineTuningListResponse.Data.LoRaTrainingType | null | undefined) ?? {
        type: 'Lora',
        lora_r: 8,
        lora_alpha: 16,
        lora_dropout: 0,
        lora_trainable_modules: 'all-linear',
      },
      batch_size: size,
      id: `ft-${account.nextHex(8)}-${account.nextHex(4)}`,
      status: 'pending',
      user_id: account.name,
      owner_address: account.name,
      created_at,
      updated_at: created_at,
      token_count: 0,
      total_price: 0,
    },
    training,
    hasValidation: body.n_evals > 0,
    steps: Math.max(1, Math.ceil(training.examples.length / size)) * body.n_epochs,
    usd: price(account, body, nowMs).usd,
    createdMs: nowMs,
    durationMs: account.settings.jobMs,
    scheduled: [],
    polled: 0,
    pausedMs: 0,
    events: [],
    checkpoints: [],
    metrics: [],
    endedMs: null,
    isStopSeen: false,
    isRestart: false,
  };
}

const otherAgeMs = 60_000;

/** Puts jobs of other people into the list until there are as many as the settings say. They are below all real ones. */
export function addOtherTogetherJobs(account: AccountState, nowMs: number): void {
  const { jobs } = account.together;
  const present = jobs.filter(({ wire }) => wire.suffix?.startsWith('other-')).length;
  for (let i = present; i < account.settings.otherJobs; i++) {
    const asked = { model: Object.keys(togetherBases)[0], training_file: account.nextId('file-'), suffix: `other-${i}` };
    const other = buildJob(account, { body: CreateJob.parse(asked), nowMs: nowMs - otherAgeMs - i, training: Buffer.alloc(0) });
    jobs.push({ ...other, wire: { ...other.wire, status: 'running' } });
  }
}

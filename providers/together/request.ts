import type Together from 'together-ai';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Training, Translation, TranslationInput } from '../../src/provider/provider.ts';
import {
  commonFields,
  findAdapterProblem,
  mapTraining,
  noteNative,
  notePrompt,
  noteWritten,
  sent,
  unsupported,
  type TrainingMap,
} from '../../src/provider-kit/map-training.ts';
import { parseOptions } from '../../src/provider-kit/settings.ts';
import { parseMethod, parseRowsPlan, type Prepared, type RowsPlan } from '../openai-compatible/request.ts';
import { config } from './client.ts';
import { checkLimits } from './limits.ts';

export type { Prepared };

/** The exact body of the create call. */
export type CreateBody = Together.FineTuningCreateParams;

/** The same without its files and its mark; `rows` is ours and is not sent. */
export type CreateRequest = Omit<CreateBody, 'training_file' | 'validation_file' | 'suffix'> & { readonly rows: RowsPlan };

const wholeNumber = z.int().min(1);
const Options = z.strictObject({
  /** How often the validation rows are measured; they are charged each time. */
  evals: wholeNumber.optional(),
  checkpoints: wholeNumber.optional(),
});

type Parameters = Partial<Omit<CreateBody, 'model' | 'training_file' | 'validation_file' | 'suffix'>>;

interface Settings {
  readonly method: 'sft' | 'dpo';
  readonly stopsEarly: boolean;
}

const trainingMap: TrainingMap<Parameters, Settings> = {
  getDefaults: ({ method }) => ({ training_method: method === 'dpo' ? { method } : { method, train_on_inputs: false } }),
  map: {
    ...commonFields,
    beta: (beta, { method }) =>
      method === 'dpo' ? sent({ training_method: { method, dpo_beta: beta } }) : unsupported('"beta" belongs to the method "dpo"'),
    loss(loss, { method }) {
      if (method === 'sft') return sent({ training_method: { method, train_on_inputs: loss === 'all' } });
      return loss === 'answer' ? sent() : unsupported('preferences are learned from the answers alone');
    },
    earlyStopping: ({ patience, minDelta, by }) =>
      by === 'measure'
        ? unsupported('the service compares the validation loss only')
        : sent({
            early_stopping_enabled: true,
            early_stopping_patience: patience,
            early_stopping_warmup_evals: 0,
            ...(minDelta === undefined ? {} : { early_stopping_min_delta: minDelta }),
          }),
    select(select, { stopsEarly }) {
      if ((select === 'best') === stopsEarly) return sent();
      return unsupported(`the service names the ${stopsEarly ? 'best weights, where it stops early,' : 'last weights'} as its result`);
    },
    seed: (seed) => sent({ random_seed: seed }),
    schedule(schedule) {
      if (schedule === 'constant') return unsupported('the service has "linear" and "cosine"');
      const lr_scheduler_args = schedule === 'linear' ? { min_lr_ratio: 0 } : { min_lr_ratio: 0, num_cycles: 0.5 };
      return sent({ lr_scheduler: { lr_scheduler_type: schedule, lr_scheduler_args } });
    },
    adapter(adapter) {
      const problem = findAdapterProblem(adapter);
      if (problem !== null) return unsupported(problem);
      if (adapter.type !== 'lora') return sent({ training_type: { type: 'Full' } });
      const { rank, alpha = rank, dropout, targets } = adapter;
      const type = { type: 'Lora', lora_r: rank, lora_alpha: alpha, lora_trainable_modules: targets?.join(',') ?? 'all-linear' } as const;
      return sent({ training_type: dropout === undefined ? type : { ...type, lora_dropout: dropout } });
    },
    maxLength: (length) => sent({ max_seq_length: length }),
  },
  defaulted: {
    method: (_, { method }) => method,
    epochs: () => 1,
    batchSize: () => 'max (the service chooses)',
    learningRate: () => 1e-5,
    beta: (_, { method }) => (method === 'dpo' ? 'the service chooses' : null),
    loss: () => 'answer',
    select: (_, { stopsEarly }) => (stopsEarly ? 'best' : 'last'),
    adapter: () => 'lora (the service chooses the rank)',
    seed: () => 42,
  },
};

/** Fields of the create call for which the job has other words. */
const owned =
  `model training_file validation_file suffix rows n_epochs n_evals n_checkpoints batch_size learning_rate lr_scheduler warmup_ratio
  weight_decay max_grad_norm max_seq_length random_seed training_method training_type train_on_inputs
  early_stopping_enabled early_stopping_patience early_stopping_min_delta early_stopping_warmup_evals`.split(/\s+/);

/** Writes a job as the body of a create call, without its files. Pure. */
export function translate({ spec, facts, model }: TranslationInput): Translation<CreateRequest> {
  if (spec.model.kind !== 'service') {
    const expected = `targets.${spec.target}.model: Together expects the name of one of its models, found "${model.base}"`;
    throw new Failure('job-file-invalid', expected, { hint: 'such as Qwen/Qwen3-8B; `orchestrate models together` lists them' });
  }
  const options = parseOptions<z.infer<typeof Options>>(Options, spec.target, spec.options);
  const method = parseMethod(spec, config) === 'dpo' ? 'dpo' : 'sft';
  const { parameters, notes } = mapTraining(spec.training, trainingMap, {
    method,
    stopsEarly: spec.training.earlyStopping !== undefined && spec.training.earlyStopping.by !== 'measure',
  });
  const rows = parseRowsPlan(spec, config, { labels: facts.labels, isPair: 'text2' in facts.columns });
  const { early_stopping_patience: patience = 0, n_epochs: epochs = 1 } = parameters;
  const evals = facts.validation === null ? undefined : (options.evals ?? Math.max(epochs, patience + 1));
  if (evals !== undefined && evals <= patience) {
    const expected = `expected more than the ${patience} of training.earlyStopping.patience, found ${evals}`;
    throw new Failure('job-file-invalid', `targets.${spec.target}.options.evals: ${expected}`);
  }
  const request: CreateRequest = {
    ...spec.native,
    model: spec.model.name,
    n_epochs: 1,
    ...parameters,
    ...(evals === undefined ? {} : { n_evals: evals }),
    ...(options.checkpoints === undefined ? {} : { n_checkpoints: options.checkpoints }),
    rows,
  };
  checkLimits(request, { target: spec.target, limits: model.config });
  return {
    request,
    notes: [
      ...notes,
      ...notePrompt(spec, rows.conversion, {
        converted: 'the service learns chats: a row is a question, its label the answer',
        unused: `the rows of the task "${spec.task}" are chats already`,
      }),
      ...noteWritten('options', evals === undefined ? { ...options, evals } : options),
      ...noteEvals(options.evals, evals),
      ...noteNative(spec, owned, () => 'say it with the fields of the job file; the suffix is how runs are found'),
      ...(spec.budget.hours === null ? [] : [{ type: 'warning', message: noClock } as const]),
    ],
  };
}

const noClock = 'Together has no limit of time for a job: it cannot keep to budget.hours';

/** @param used how often the service is asked to measure; absent: there is nothing to measure on */
function noteEvals(written: number | undefined, used: number | undefined): Note[] {
  const field = 'options.evals';
  if (used === undefined && written !== undefined) {
    return [{ type: 'unsupported', field, value: written, why: 'there are no validation rows' }];
  }
  if (used === undefined || written !== undefined) return [];
  return [{ type: 'defaulted', field, value: used, why: 'once an epoch, or as often as stopping early needs' }];
}

/** The run's key is the suffix: with the training file it finds the job again. */
export function bind({ rows: _rows, ...body }: CreateRequest, { trainingFile, validationFile }: Prepared, key: RunKey): CreateBody {
  return {
    ...body,
    training_file: trainingFile,
    ...(validationFile === null ? {} : { validation_file: validationFile }),
    suffix: key,
  };
}

/** The requests of a submission, for people. Pure. */
export const preview: NonNullable<Training<CreateRequest>['preview']> = (request, { key, facts }) => {
  const hasValidation = facts.validation !== null;
  const names = ['train.jsonl', ...(hasValidation ? ['validation.jsonl'] : [])];
  const validationFile = hasValidation ? '<id of validation.jsonl>' : null;
  const body = bind(request, { trainingFile: '<id of train.jsonl>', validationFile }, key);
  return [
    ...names.map((file) => ({ what: 'POST /files', body: { purpose: 'fine-tune', file_name: file, file_type: 'jsonl' } })),
    { what: 'POST /fine-tunes/estimate-price', body: toPriced(body) },
    { what: 'POST /fine-tunes', body },
  ];
};

/** The fields of a job that decide its price. */
export function toPriced(body: CreateBody): Together.FineTuningEstimatePriceParams {
  const { training_file, validation_file, model, n_epochs, n_evals, training_type, training_method, from_checkpoint } = body;
  const fields = { training_file, validation_file, model, n_epochs, n_evals, training_type, training_method, from_checkpoint };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as unknown as ReturnType<typeof toPriced>;
}

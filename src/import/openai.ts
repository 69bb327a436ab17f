import type { Training, TrainingField } from '../job/job-spec.ts';
import { omitUndefined } from '../lib/json.ts';
import { readName, type ConfigFormat } from './imported-job.ts';
import { isSecret, maskSecrets } from './mask-secrets.ts';
import { readNumber, readText, requireText, type Fields, type Source } from './source.ts';
import { readNumbers, serviceText } from './training-fields.ts';

type Method = 'supervised' | 'dpo';

function readMethod(source: Source): Method {
  const method = source.open('method');
  if (method === undefined) return 'supervised';
  const type = readText(source, 'method.type');
  if (type !== 'supervised' && type !== 'dpo') {
    const hint = 'A job has supervised training and preferences; reinforcement has no equal.';
    source.refuse('method.type', '"supervised" or "dpo"', hint);
  }
  const other = ['supervised', 'dpo', 'reinforcement'].find((key) => key !== type && (method[key] ?? null) !== null);
  if (other !== undefined) source.refuse(`method.${other}`, `only settings of ${type} beside "type"`);
  source.note('method.type', 'training.method', type === 'dpo' ? 'dpo' : 'sft');
  return type;
}

/** Their hyperparameters and ours; the multiplier stays one. */
const hyperparameters: Readonly<Record<string, TrainingField>> = {
  n_epochs: 'epochs',
  batch_size: 'batchSize',
  learning_rate_multiplier: 'learningRate',
  beta: 'beta',
};

function readTraining(source: Source, method: Method): Training {
  source.open(`method.${method}`);
  const inMethod = `method.${method}.hyperparameters`;
  const from = source.open(inMethod) === undefined ? 'hyperparameters' : inMethod; // at the top is the older place
  source.open(from);
  const training: Training = { method: method === 'dpo' ? 'dpo' : 'sft', ...readNumbers(source, String, { seed: ['seed'] }) };
  for (const [theirs, field] of Object.entries(hyperparameters)) {
    const path = `${from}.${theirs}`;
    if (field === 'beta' && method !== 'dpo') continue;
    if (source.get(path) === 'auto') source.note(path, `training.${field}`, 'the service decides, as where a field is absent');
    else if (field === 'learningRate') Object.assign(training, readMultiplier(source, path));
    else Object.assign(training, readNumbers(source, String, { [field]: [path] }));
    source.assume(path, `training.${field}`, { value: 'auto', text: serviceText });
  }
  const loss = { value: 'answer', text: 'the answers of the assistant count' };
  if (method === 'supervised') source.assume('(loss)', 'training.loss', loss);
  return training;
}

function readMultiplier(source: Source, path: string): Training {
  const multiplier = readNumber(source, path);
  const text = "a multiple of the service's own rate, which cannot be converted: other targets need an absolute rate";
  source.note(path, 'training.learningRate', text);
  return multiplier === undefined ? {} : { learningRate: { multiplier } };
}

/** Raw fields that go to the service again unchanged; never one that contains a secret. */
function readNative(source: Source): Fields | undefined {
  const metadata = Object.entries(source.open('metadata') ?? {}).filter(([key, value]) => {
    const path = ['metadata', key];
    if (typeof value !== 'string') source.refuse(path, 'a text');
    const isOurs = key.startsWith('orchestrate_');
    const isKept = !isOurs && !isSecret(value, key) && !isSecret(key, '');
    if (isKept) source.note(path, 'targets.native.metadata');
    else source.drop(path, isOurs ? 'this program finds runs by it, and each run writes its own' : 'a credential, which is not taken over');
    return isKept;
  });
  let integrations = source.get('integrations') ?? undefined;
  if (integrations !== undefined && !Array.isArray(integrations)) source.refuse('integrations', 'a list');
  if (JSON.stringify(maskSecrets(integrations, '')) !== JSON.stringify(integrations)) {
    source.drop('integrations', 'it contains a credential, which is not taken over');
    integrations = undefined;
  } else source.note('integrations', 'targets.native.integrations');
  const native = { metadata: metadata.length === 0 ? undefined : Object.fromEntries(metadata), integrations };
  return omitEmpty(native);
}

function omitEmpty(fields: Fields): Fields | undefined {
  const set = omitUndefined(fields);
  return Object.keys(set).length === 0 ? undefined : set;
}

/** Uploaded files as files beside the job, as OpenAI's and Together's services name them. */
export function readServiceFiles(source: Source): { train: string; validation?: string } {
  const text = 'the id of a file at the service: save its content under this name, or name your own file';
  const read = (path: string, field: string, id: string): string => {
    if (!/^[\w.-]{1,128}$/.test(id) || /^\.+$/.test(id)) source.refuse(path, 'the id of an uploaded file');
    source.note(path, field, text);
    return /\.(jsonl|csv|parquet)$/i.test(id) ? `./${id}` : `./${id}.jsonl`;
  };
  const train = read('training_file', 'data.train', requireText(source, 'training_file', 'the id of an uploaded file'));
  const validation = readText(source, 'validation_file');
  return validation === undefined ? { train } : { train, validation: read('validation_file', 'data.validation', validation) };
}

/** The service's own name of a model. @throws Failure `data-invalid` for what a job would read as a folder or a name of the Hub */
export function readServiceModel(source: Source): string {
  const model = requireText(source, 'model', 'the name of a model');
  if (!/^[\w-]/.test(model) || /^(hub|run):/.test(model)) source.refuse('model', 'the name of a model at the service');
  source.note('model', 'targets.model');
  return model;
}

/** The body of OpenAI's (or Azure's) call that creates a fine-tuning job. */
export const openai: ConfigFormat = {
  title: 'a create call of OpenAI or Azure (model, training_file, method)',
  marks: 'method hyperparameters integrations metadata seed trainingType',
  parse(source) {
    const method = readMethod(source);
    const options = { suffix: readText(source, 'suffix'), trainingType: readText(source, 'trainingType') };
    for (const option of Object.keys(options)) source.note(option, `targets.options.${option}`);
    const provider = options.trainingType === undefined ? 'openai' : 'azure'; // the field is Azure's alone
    return {
      source: `a create call of ${provider === 'azure' ? 'Azure' : 'OpenAI'}`,
      name: readName(source, 'suffix'),
      task: method === 'dpo' ? 'preference' : 'chat',
      data: readServiceFiles(source),
      training: readTraining(source, method),
      target: { name: provider, provider, model: readServiceModel(source), options: omitEmpty(options), native: readNative(source) },
    };
  },
};

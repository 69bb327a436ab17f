import type { Training, TrainingField } from '../job/job-spec.ts';
import { finishJob } from './finish-job.ts';
import { type ImportedJob } from './imported-job.ts';
import { isSecret, maskSecrets } from './mask-secrets.ts';
import { readName } from './read-name.ts';
import { assume, carry, convert, leave } from './notes.ts';
import { readServiceFiles, readServiceModel } from './service-files.ts';
import {
  openSource,
  readFields,
  readNumber,
  readText,
  toRefusal,
  toValue,
  type Fields,
  type Source,
  type SourceContext,
  type SourcePath,
} from './source.ts';
import { readSeed, readTraining } from './training-fields.ts';

type Method = 'supervised' | 'dpo';

function readMethod(source: Source): Method {
  const method = readFields(source, ['method']);
  const type = readText(source, ['method', 'type']);
  if (method === undefined) return 'supervised';
  if (type !== 'supervised' && type !== 'dpo') {
    const hint = 'A job has supervised training and preferences; reinforcement has no equal.';
    throw toRefusal(source, ['method', 'type'], '"supervised" or "dpo"', hint);
  }
  for (const key of Object.keys(method)) {
    if (['supervised', 'dpo', 'reinforcement'].includes(key) && key !== type && method[key] !== null) {
      throw toRefusal(source, ['method', key], `only settings of ${type} beside "type"`);
    }
  }
  convert(source, ['method', 'type'], { field: 'training.method', text: type === 'dpo' ? 'dpo' : 'sft' });
  return type;
}

/** Their hyperparameters and ours; the multiplier stays one. */
const fields: Readonly<Record<string, TrainingField>> = {
  n_epochs: 'epochs',
  batch_size: 'batchSize',
  learning_rate_multiplier: 'learningRate',
  beta: 'beta',
};

const autoText = 'the service decides, as where a field is absent';

function readHyperparameter(source: Source, path: SourcePath, field: TrainingField): Training {
  if (toValue(source, path) === 'auto') {
    convert(source, path, { field: `training.${field}`, text: autoText });
    return {};
  }
  if (field !== 'learningRate') return readTraining(source, path, field);
  const multiplier = readNumber(source, path);
  if (multiplier === undefined) return {};
  if (multiplier <= 0) throw toRefusal(source, path, '"auto" or a number above 0');
  const text = "a multiple of the service's own rate; other targets need an absolute rate, and there is no conversion";
  convert(source, path, { field: 'training.learningRate', text });
  return { learningRate: { multiplier } };
}

function readHyperparameters(source: Source, method: Method): Training {
  const path = ['method', method, 'hyperparameters'];
  readFields(source, ['method', method]);
  const inMethod = readFields(source, path);
  const atTop = readFields(source, ['hyperparameters']);
  if (inMethod !== undefined && atTop !== undefined) leave(source, ['hyperparameters'], 'the hyperparameters of the method replace it');
  const from = inMethod === undefined && atTop !== undefined ? ['hyperparameters'] : path;
  const training: Training = {};
  for (const [theirs, field] of Object.entries(fields)) {
    if (field === 'beta' && method !== 'dpo') leave(source, [...from, theirs], 'of the method dpo only');
    else Object.assign(training, readHyperparameter(source, [...from, theirs], field));
    const isAbsent = toValue(source, [...from, theirs]) === undefined && (field !== 'beta' || method === 'dpo');
    if (isAbsent)
      assume(source, [...from, theirs], { field: `training.${field}`, value: 'auto', text: 'another target decides otherwise' });
  }
  return training;
}

/** Raw fields that go to the service again as they are; never one that holds a secret. */
function readNative(source: Source): Fields {
  const native: Record<string, unknown> = {};
  const metadata = readFields(source, ['metadata']);
  const pairs = Object.entries(metadata ?? {}).filter(([key, value]) => {
    const path = ['metadata', key];
    if (typeof value !== 'string') throw toRefusal(source, path, 'a text');
    if (key.startsWith('orchestrate_')) leave(source, path, 'runs are found by it: each run writes its own');
    else if (isSecret(value, key) || isSecret(key, '')) leave(source, path, 'a credential: it is not taken over');
    else {
      carry(source, path, `targets.native.metadata`);
      return true;
    }
    return false;
  });
  if (pairs.length > 0) native['metadata'] = Object.fromEntries(pairs);
  const integrations = toValue(source, ['integrations']);
  if (integrations === undefined || integrations === null) return native;
  if (!Array.isArray(integrations)) throw toRefusal(source, ['integrations'], 'a list');
  if (JSON.stringify(maskSecrets(integrations, '')) !== JSON.stringify(integrations)) {
    leave(source, ['integrations'], 'it holds a credential: it is not taken over');
    return native;
  }
  carry(source, ['integrations'], 'targets.native.integrations');
  return { ...native, integrations };
}

/** `trainingType` is Azure's alone. */
function readOptions(source: Source): { provider: 'openai' | 'azure'; options: Fields } {
  const suffix = readText(source, ['suffix']);
  carry(source, ['suffix'], 'targets.options.suffix');
  const trainingType = readText(source, ['trainingType']);
  carry(source, ['trainingType'], 'targets.options.trainingType');
  return {
    provider: trainingType === undefined ? 'openai' : 'azure',
    options: { ...(suffix === undefined ? {} : { suffix }), ...(trainingType === undefined ? {} : { trainingType }) },
  };
}

/**
 * The body of OpenAI's (or Azure's) call that creates a fine-tuning job, as a job.
 * @throws Failure `data-invalid` with the path of the field that is wrong or missing, and for reinforcement
 */
export function parseOpenaiBody(content: unknown, context: SourceContext): ImportedJob {
  const source = openSource(content, context);
  const method = readMethod(source);
  const files = readServiceFiles(source);
  const model = readServiceModel(source);
  carry(source, ['model'], 'targets.model');
  const { provider, options } = readOptions(source);
  const native = readNative(source);
  const training: Training = {
    method: method === 'dpo' ? 'dpo' : 'sft',
    ...readHyperparameters(source, method),
    ...readSeed(source, ['seed']),
  };
  if (method === 'supervised')
    assume(source, ['(loss)'], { field: 'training.loss', value: 'answer', text: 'the answers of the assistant count' });
  const job = {
    source: `a create call of ${provider === 'azure' ? 'Azure' : 'OpenAI'}`,
    name: readName(source, ['suffix']),
    task: method === 'dpo' ? ('preference' as const) : ('chat' as const),
    data: files,
    training,
    target: {
      name: provider,
      provider,
      model,
      ...(Object.keys(options).length === 0 ? {} : { options }),
      ...(Object.keys(native).length === 0 ? {} : { native }),
    },
  };
  return finishJob(source, job, () => 'not a field of the create call that is known here');
}

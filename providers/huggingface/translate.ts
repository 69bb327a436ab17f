import type { Note } from '../../src/provider/note.ts';
import { mapTraining, notePrompt } from '../../src/provider-kit/map-training.ts';
import type { Translation, TranslationInput } from '../../src/provider/provider.ts';
import { chatVersion, checkTemplate, labelListVersion } from '../../src/dataset/chat.ts';
import { Failure } from '../../src/errors.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import { parseOptions } from '../../src/provider-kit/settings.ts';
import { chooseEngine, defaultFlavor, getSettings, images, type ChosenEngine } from './engine.ts';
import { Options, type HubRequest, type Parameters, type RowsPlan } from './request.ts';
import { getMachine, mapNative, type EngineContext } from './settings.ts';

/** How long a job may run where the job file names no hours: the service's own limit of 30 minutes would end most trainings. */
const defaultHours = 4;

/** Translates a job into the settings of an engine. Nothing is left to the engine: its defaults are sent too. */
export function translate({ spec, facts, model }: TranslationInput): Translation<HubRequest> {
  const location = `targets.${spec.target}`;
  if (spec.model.kind !== 'hub') {
    throw new Failure('job-file-invalid', `${location}.model: expected a model of the Hub, found "${model.base}"`, {
      hint: 'write hub:owner/name, such as hub:distilbert/distilbert-base-uncased',
    });
  }
  const { name: base, revision } = spec.model;
  const options = parseOptions(Options, spec.target, spec.options);
  const isPair = 'text2' in facts.columns;
  const chosen = chooseEngine(spec, options, base, isPair);
  const { engine, task } = chosen;
  const settings = getSettings(chosen);
  const flavor = options.flavor ?? defaultFlavor;
  const context: EngineContext = {
    task,
    machine: getMachine(flavor),
    hasValidation: facts.validation !== null,
    maxLength: model.maxLength,
    stopsEarly: spec.training.earlyStopping !== undefined,
    epochs: spec.training.epochs ?? null,
  };
  const training = mapTraining(spec.training, settings, context);
  const native = mapNative(spec.native, { settings, task, target: spec.target, isKnownImage: options.image === undefined });
  const parameters = { ...training.parameters, ...native.parameters };
  const rows = planRows(spec, chosen, parameters, { labels: facts.labels, isPair });
  const request: HubRequest = {
    engine,
    task,
    model: { base, revision: revision ?? model.revision },
    parameters,
    rows,
    labels: task === 'text-classification' ? facts.labels : [],
    maxLength: getMaxLength(parameters),
    flavor,
    image: options.image ?? images[engine],
    namespace: options.namespace ?? null,
    private: options.private ?? true,
    timeoutSeconds: Math.ceil((spec.budget.hours ?? defaultHours) * 3600),
    name: `${spec.job}-${spec.target}`.replaceAll(/[^A-Za-z0-9-]+/g, '-').slice(0, 64),
  };
  const notes: Note[] = [
    ...training.notes,
    ...native.notes,
    ...noteRows(spec, rows),
    ...noteWeights(facts, rows),
    ...noteOptions(options, chosen, request),
    ...noteTime(spec),
    ...warn(spec, chosen, context),
  ];
  return { request, notes };
}

function getMaxLength(parameters: Parameters): number {
  const length = ['max_length', 'max_seq_length', 'block_size'].map((name) => parameters[name]).find((value) => typeof value === 'number');
  return typeof length === 'number' ? length : 512;
}

function planRows(
  { task, prompt }: RunSpec,
  chosen: ChosenEngine,
  parameters: Parameters,
  { labels, isPair }: { labels: readonly string[]; isPair: boolean },
): RowsPlan {
  const isChat = chosen.task !== 'text-classification';
  const isOfLabels = task === 'classification' || task === 'multi-label';
  if (isOfLabels && isChat && prompt?.template !== undefined) checkTemplate(prompt.template, isPair);
  const shared = { conversion: null, prompt: null, labels: [], isPair: false };
  if (!isChat) return { ...shared, format: 'labels', labels, isPair };
  if (chosen.task === 'dpo') return { ...shared, format: chosen.engine === 'autotrain' ? 'conversations' : 'preference' };
  const format = chosen.engine === 'trl' && parameters['completion_only_loss'] !== false ? 'completion' : 'messages';
  const conversion = task === 'multi-label' ? labelListVersion : chatVersion;
  return isOfLabels ? { format, conversion, prompt, labels, isPair } : { ...shared, format };
}

function noteRows(spec: RunSpec, { conversion, format }: RowsPlan): Note[] {
  return notePrompt(spec, conversion, {
    converted: 'the engine learns chats: a row is a question, its label the answer',
    unused:
      format === 'labels'
        ? 'the engine learns the text itself, not a chat about it'
        : `the rows of the task "${spec.task}" are chats already`,
  });
}

/** Engines know no weights of messages. */
function noteWeights({ train }: TranslationInput['facts'], { format }: RowsPlan): Note[] {
  const count = train.traits?.weights ?? 0;
  if (count === 0) return [];
  const rows = `${count} training ${count === 1 ? 'row has' : 'rows have'} messages of weight 0`;
  const message =
    format === 'completion'
      ? `${rows}: the last message of the assistant that counts is the answer, and what follows it is left out`
      : `${rows}, which the engine does not follow: it learns them like the others`;
  return [{ type: 'warning', message }];
}

function noteOptions(options: Options, { engine, why }: ChosenEngine, { flavor, image, private: isPrivate }: HubRequest): Note[] {
  const engineNote: Note =
    options.engine === 'auto'
      ? { type: 'converted', field: 'options.engine', from: 'auto', value: engine, why }
      : { type: options.engine === undefined ? 'defaulted' : 'sent', field: 'options.engine', value: engine };
  const chosen = { flavor, image, private: isPrivate };
  return [
    engineNote,
    ...(options.engine === undefined ? [{ type: 'warning', message: `the engine is ${engine}: ${why}` } as const] : []),
    ...Object.entries(chosen).map(([field, value]): Note => {
      const isWritten = options[field as keyof typeof chosen] !== undefined;
      return { type: isWritten ? 'sent' : 'defaulted', field: `options.${field}`, value };
    }),
    ...(options.namespace === undefined ? [] : [{ type: 'sent', field: 'options.namespace', value: options.namespace } as const]),
  ];
}

function noteTime({ budget }: RunSpec): Note[] {
  return budget.hours === null
    ? [{ type: 'defaulted', field: 'budget.hours', value: defaultHours }]
    : [{ type: 'sent', field: 'budget.hours', value: budget.hours }];
}

function warn({ target }: RunSpec, { engine, task }: ChosenEngine, { hasValidation }: EngineContext): Note[] {
  const messages = [
    ...(engine === 'autotrain' && task === 'text-classification' && !hasValidation
      ? ['AutoTrain takes a fifth of the training rows for validation where there are no rows for it: data.validation gives it some']
      : []),
    ...(engine === 'autotrain' && task !== 'text-classification' && hasValidation
      ? ['AutoTrain cannot evaluate a language model while it trains: the validation rows are not sent']
      : []),
    ...(engine === 'autotrain'
      ? [`AutoTrain has had no release since January 2025; targets.${target}.options.engine can name another engine`]
      : []),
  ];
  return messages.map((message) => ({ type: 'warning', message }));
}

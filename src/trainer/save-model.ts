import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toFileFailure } from '../errors.ts';
import { replaceFolder } from '../lib/fs.ts';
import { getMerged, writePeftFolder } from './adapters/index.ts';
import type { Classifier } from './tasks/classification/classifier.ts';
import { computeAndFree, copyToStoredLayout } from './engine/network.ts';
import { getFamily } from './families/index.ts';
import { readRevision, tokenizerFiles } from './model-folder.ts';
import { writeSafetensors, type TensorToWrite } from './safetensors.ts';
import type { EpochEvaluated, TrainFile } from './protocol.ts';

/**
 * Writes the classifier as a folder that transformers' `AutoModelForSequenceClassification` reads, with the tokenizer of the folder
 * `source`. A low-rank adapter is merged into the weights, and is in the folder `adapter` as PEFT saves it, for the model called `base`.
 * `target` is whole or absent; an earlier folder of that name is replaced.
 *
 * Returns the folder's revision.
 *
 * @throws Failure `disk-full` or `permission-denied`; nothing of the folder is left then
 */
export function saveModel(
  classifier: Classifier,
  target: string,
  { source, card, base }: { source: string; card: string; base: string },
): string {
  const { tf, config, labels, isMultiLabel, specs, parameters, adapter } = classifier;
  const tensors = specs.map(({ name, shape, isLinear }) => ({
    name,
    shape,
    data: computeAndFree(tf, () => copyToStoredLayout(tf, getMerged(classifier, name), isLinear)),
  }));
  return writeModelFolder(target, { config, labels, isMultiLabel, tensors, card, source }, (folder) => {
    if (!adapter) return;
    mkdirSync(join(folder, 'adapter'));
    writePeftFolder(join(folder, 'adapter'), { tf, config, parameters, base, ...adapter });
  });
}

/** What is in the folder of a model. */
export interface ModelToWrite {
  readonly config: Classifier['config'];
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
  readonly tensors: readonly TensorToWrite[];
  /** Its README.md. */
  readonly card: string;
  /** The folder with its tokenizer. */
  readonly source: string;
}

/** As `saveModel`; `addMore` writes further files before the folder has its name. */
export function writeModelFolder(
  target: string,
  { config, labels, isMultiLabel, tensors, card, source }: ModelToWrite,
  addMore: (folder: string) => void = () => {},
): string {
  const names = labels.length === 0 ? ['LABEL_0'] : labels; // transformers' name of the one output of a regression
  const json = {
    ...getFamily(config).buildConfigJson(config),
    ...(labels.length === 0 ? { problem_type: 'regression' } : isMultiLabel ? { problem_type: 'multi_label_classification' } : {}),
    id2label: Object.fromEntries(names.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(names.map((label, i) => [label, i])),
  };
  try {
    return replaceFolder(target, (folder) => {
      writeFileSync(join(folder, 'config.json'), `${JSON.stringify(json, null, 2)}\n`);
      writeFileSync(join(folder, 'README.md'), card);
      writeSafetensors(join(folder, 'model.safetensors'), tensors);
      for (const name of tokenizerFiles) if (existsSync(join(source, name))) copyFileSync(join(source, name), join(folder, name));
      addMore(folder);
      return readRevision(folder);
    });
  } catch (error) {
    throw toFileFailure(error, 'model', target);
  }
}

/** What the model card says. */
export interface CardFacts {
  readonly train: TrainFile;
  readonly rows: number;
  readonly steps: number;
  readonly epochs: readonly EpochEvaluated[];
  /** Whether the training ended before its last step. */
  readonly unfinished: boolean;
}

/** README.md of a saved model: front matter as the Hugging Face Hub reads it, then the settings and the validation figures. */
export function formatModelCard({ train, rows, steps, epochs, unfinished }: CardFacts): string {
  const { training, card, model } = train;
  const settings: [string, string | number][] = [
    ['training rows', rows],
    ['steps', steps],
    ['epochs', training.epochs ?? 'as the steps say'],
    ['rows per step', training.batchSize],
    ['learning rate', training.learningRate],
    ['schedule', training.schedule],
    ['warm-up ratio', training.warmupRatio],
    ['weight decay', training.weightDecay],
    ['largest gradient norm', training.maxGradNorm],
    ['longest text, in tokens', model.maxLength],
    ['trained parameters', formatAdapter(training)],
    ['selected weights', training.select],
    ...formatControls(train),
    ['seed', training.seed],
  ];
  return [
    '---',
    // The Hub takes no card that names another thing than one of its models.
    ...(card.base.includes('/') ? [`base_model: ${JSON.stringify(showInvisible(card.base))}`] : []),
    'pipeline_tag: text-classification',
    'library_name: transformers',
    '---',
    '',
    `# ${escape(card.name)}`,
    '',
    ...(unfinished ? ['**The training did not reach its end: these are the weights of its last good step.**', ''] : []),
    describeAnswers(train),
    '',
    ...formatTable(['setting', 'value'], settings),
    ...(epochs.length > 0
      ? ['', ...formatTable(['epoch', 'step', 'validation loss', `validation ${getMeasureName(model)}`], epochs.map(toCells))]
      : []),
    '',
  ].join('\n');
}

function describeAnswers({ card, model }: TrainFile): string {
  const base = `fine-tuned from ${escape(card.base)}`;
  const labels = model.labels.map(escape).join(', ');
  if (model.labels.length === 0) return `Gives a number for a text, ${base}.`;
  if (!model.isMultiLabel) return `A text classifier, ${base}. Its classes are ${labels}.`;
  return `A classifier that gives a text any number of labels, ${base}: those whose probability is more than 0.5. Its labels are ${labels}.`;
}

function getMeasureName({ labels, isMultiLabel }: TrainFile['model']): string {
  if (labels.length === 0) return 'mean absolute error';
  return isMultiLabel ? 'micro-F1' : 'accuracy';
}

/** README.md of a base model into which an adapter was merged. */
export function formatMergeCard(base: string, labels: readonly string[]): string {
  const head = [
    '---',
    `base_model: ${JSON.stringify(showInvisible(base))}`,
    'pipeline_tag: text-classification',
    'library_name: transformers',
    '---',
  ];
  return `${head.join('\n')}\n\nA text classifier: ${escape(base)} with an adapter merged into its weights. Its classes are ${labels.map(escape).join(', ')}.\n`;
}

function formatAdapter({ adapter }: TrainFile['training']): string {
  if (adapter === undefined) return 'all';
  return adapter.type === 'head' ? 'the head' : `LoRA of rank ${adapter.rank}, alpha ${adapter.alpha}, and the head`;
}

/** Settings that only some trainings have. */
function formatControls({ training, model }: TrainFile): [string, string | number][] {
  const { earlyStopping: stop, labelSmoothing, classWeights, layerDecay } = training;
  const name = stop?.by === 'measure' ? getMeasureName(model) : 'loss';
  const rows: [string, string | number | undefined][] = [
    ['early stopping', stop && `after ${stop.patience} validations whose ${name} is not better by more than ${stop.minDelta}`],
    ['label smoothing', labelSmoothing],
    ['class weights', classWeights?.map((weight, i) => `${escape(model.labels[i]!)} ${Number(weight.toPrecision(4))}`).join(', ')],
    ['learning rate of a layer by the one above', layerDecay],
  ];
  return rows.flatMap(([setting, value]) => (value === undefined ? [] : [[setting, value]]));
}

function toCells({ epoch, step, loss, accuracy, microF1, meanAbsoluteError }: EpochEvaluated): (string | number)[] {
  return [Number(epoch.toFixed(2)), step, loss.toFixed(4), (accuracy ?? microF1 ?? meanAbsoluteError ?? NaN).toFixed(4)];
}

function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

/** Control and formatting characters, line separators and half characters are shown as their numbers. */
function showInvisible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
  });
}

/** Foreign text as Markdown shows it: one line, no markup, no invisible characters. */
function escape(text: string): string {
  return showInvisible(text.slice(0, 200)).replace(/[\\`*_{}[\]<>()#+!|&~$-]/g, (character) => `&#${character.charCodeAt(0)};`);
}

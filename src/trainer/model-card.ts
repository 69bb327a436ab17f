/** README.md of a saved model. */
import type { EpochEvaluated, TrainFile } from './protocol.ts';

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
    ['trained parameters', formatAdapter(train)],
    ['selected weights', training.select],
    ...formatControls(train),
    ['seed', training.seed],
  ];
  return [
    '---',
    // The Hub takes no card that names another thing than one of its models.
    ...(card.base.includes('/') ? [`base_model: ${JSON.stringify(showInvisible(card.base))}`] : []),
    `pipeline_tag: ${train.task === undefined ? 'text-classification' : 'text-generation'}`,
    'library_name: transformers',
    '---',
    '',
    `# ${escape(card.name)}`,
    '',
    ...(unfinished ? ['**The training did not reach its end: these are the weights of its last good step.**', ''] : []),
    describeAnswers(train),
    '',
    ...formatTable(['setting', 'value'], settings),
    ...(epochs.length > 0 ? ['', ...formatTable(['epoch', 'step', 'validation loss', ...listMeasures(train)], epochs.map(toCells))] : []),
    '',
  ].join('\n');
}

function describeAnswers({ card, model, task }: TrainFile): string {
  const base = `fine-tuned from ${escape(card.base)}`;
  if (task === 'chat') return `Answers conversations, ${base}.`;
  if (task === 'preference') return `Answers conversations, ${base} with pairs of answers of which one was preferred (DPO).`;
  const labels = model.labels.map(escape).join(', ');
  if (model.labels.length === 0) return `Gives a number for a text, ${base}.`;
  if (!model.isMultiLabel) return `A text classifier, ${base}. Its classes are ${labels}.`;
  return `A classifier that gives a text any number of labels, ${base}: those whose probability is more than 0.5. Its labels are ${labels}.`;
}

/** What is measured of the validation rows beside their loss. */
function listMeasures({ task, model }: TrainFile): string[] {
  if (task === 'chat') return [];
  return [`validation ${task === 'preference' ? 'reward accuracy' : getMeasureName(model)}`];
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

function formatAdapter({ training: { adapter }, task }: TrainFile): string {
  if (adapter === undefined) return 'all';
  const head = task === undefined ? ', and the head' : '';
  return adapter.type === 'head' ? 'the head' : `LoRA of rank ${adapter.rank}, alpha ${adapter.alpha}${head}`;
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

function toCells({ epoch, step, loss, accuracy, microF1, meanAbsoluteError, rewardAccuracy }: EpochEvaluated): (string | number)[] {
  const measure = accuracy ?? microF1 ?? meanAbsoluteError ?? rewardAccuracy;
  return [Number(epoch.toFixed(2)), step, loss.toFixed(4), ...(measure === undefined ? [] : [measure.toFixed(4)])];
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

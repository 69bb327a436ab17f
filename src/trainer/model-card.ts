import type { EpochEvaluated, TrainFile } from './files.ts';

/** What the model card tells. */
export interface CardFacts {
  readonly train: TrainFile;
  readonly rows: number;
  readonly steps: number;
  readonly epochs: readonly EpochEvaluated[];
  /** Whether the training ended before its last step. */
  readonly unfinished: boolean;
}

/** README.md of a saved model: front matter as the Hugging Face Hub reads it, then the settings and the validation figures. */
export function toModelCard({ train, rows, steps, epochs, unfinished }: CardFacts): string {
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
    ['weights kept', training.select],
    ['seed', training.seed],
  ];
  return [
    '---',
    `base_model: ${JSON.stringify(card.base.replace(invisible, toCodePoint))}`,
    'pipeline_tag: text-classification',
    'library_name: transformers',
    '---',
    '',
    `# ${toEscaped(card.name)}`,
    '',
    ...(unfinished ? ['**The training did not reach its end: these are the weights of its last good step.**', ''] : []),
    `A text classifier, fine-tuned from ${toEscaped(card.base)}. Its classes are ${model.labels.map(toEscaped).join(', ')}.`,
    '',
    ...toTable(['setting', 'value'], settings),
    ...(epochs.length > 0 ? ['', ...toTable(['epoch', 'step', 'validation loss', 'validation accuracy'], epochs.map(toEpochRow))] : []),
    '',
  ].join('\n');
}

function toEpochRow({ epoch, step, loss, accuracy }: EpochEvaluated): (string | number)[] {
  return [Number(epoch.toFixed(2)), step, loss.toFixed(4), accuracy.toFixed(4)];
}

function toTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

/** Control and formatting characters, line separators, half characters. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function toCodePoint(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Foreign text as Markdown shows it: one line, no markup, no invisible characters. */
function toEscaped(text: string): string {
  return text
    .slice(0, 200)
    .replace(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
      (character) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`,
    )
    .replace(/[\\`*_{}[\]<>()#+!|&~$-]/g, (character) => `&#${character.charCodeAt(0)};`);
}

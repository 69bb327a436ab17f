/** What a training works on: a model for its task, its rows, and how its result is saved. */
import type { TensorFlow } from './backends/index.ts';
import type { TokenRow } from './engine/batches.ts';
import { readEndTokens } from './end-tokens.ts';
import type { Network } from './engine/network.ts';
import type { Helpers } from './engine/shares.ts';
import type { KernelVariant } from './kernels/index.ts';
import { openLanguageModel, type LanguageModel } from './language/model.ts';
import type { TrainFile } from './protocol.ts';
import { saveLanguageModel, saveModel, type SavedWith } from './save-model.ts';
import { openClassifier } from './tasks/classification/classifier.ts';
import { applyLabelWeights, applyLossSettings, readChosenRows, type EncodedRow } from './tasks/classification/rows.ts';
import { chat } from './tasks/language/chat.ts';
import { addStart, createPreference, type PreferenceRow } from './tasks/language/preference.ts';
import { checkTexts, type Preflight, type PreflightEncoder } from './tasks/language/preflight.ts';
import { readChatRows, readPreferenceRows, readSample, type LearnedRow } from './tasks/language/rows.ts';
import type { ChosenRowsOptions } from './tasks/row-lines.ts';
import { readTokenizer } from './tokenizer.ts';
import { openWorkers } from './workers/index.ts';

export interface Trainee<Row extends TokenRow> {
  readonly network: Network<Row> & { readonly revision: string };
  /** Parameters beside a head that the folder does not have, and that were drawn. */
  readonly drawn: readonly string[];
  /** Undefined in the place of a row that is not needed. @throws Failure `data-invalid` naming the line */
  readRows(path: string, options: ChosenRowsOptions): Promise<{ readonly rows: readonly (Row | undefined)[]; readonly truncated: number }>;
  /** Looks at the first rows as they are trained; null: there is nothing to say of them. */
  readonly check: ((path: string) => Promise<Preflight>) | null;
  /** Training rows with what the settings change of their losses. */
  weigh(rows: readonly (Row | undefined)[]): readonly (Row | undefined)[];
  /** Starts threads beside this one; null: one thread trains this task. */
  readonly openHelpers: ((count: number, kernels: KernelVariant | null) => Promise<ClosableHelpers<Row>>) | null;
  /** Returns the revision of the folder. */
  save(target: string, texts: SavedWith): string;
}

export interface ClosableHelpers<Row extends TokenRow> extends Helpers<Row> {
  close(): Promise<void>;
}

/** Calls `use` with what `file` says is trained. @throws Failure of the model's folder */
export async function withTrainee<T>(
  tf: TensorFlow,
  file: TrainFile,
  use: <Row extends TokenRow>(trainee: Trainee<Row>) => Promise<T>,
): Promise<T> {
  if (file.task === undefined) return await use(openClassifierTrainee(tf, file));
  return file.task === 'chat' ? await use(openChatTrainee(tf, file)) : await use(openPreferenceTrainee(tf, file));
}

function openClassifierTrainee(tf: TensorFlow, { model, training, backend }: TrainFile): Trainee<EncodedRow> {
  const classifier = openClassifier(tf, model, training.adapter);
  return {
    network: classifier,
    drawn: classifier.drawn,
    readRows: async (path, options) => await readChosenRows(classifier, path, options),
    check: null,
    weigh: (rows) =>
      classifier.isMultiLabel ? applyLabelWeights(rows, training) : applyLossSettings(rows, classifier.labels.length, training),
    openHelpers: async (count, kernels) => await openWorkers(classifier, { count, backend, kernels }),
    save: (target, texts) => saveModel(classifier, target, texts),
  };
}

function openChatTrainee(tf: TensorFlow, { model: source, training }: TrainFile): Trainee<LearnedRow> {
  const network = openLanguageModel(tf, source, { task: chat, adapter: training.adapter ?? null });
  const encoder = createEncoder(network, source.folder);
  return {
    ...toLanguageTrainee(network),
    network,
    readRows: async (path, options) => await readChatRows(encoder, path, options),
    check: async (path) => checkTexts(await readSample(path), encoder),
  };
}

/** Without another word PyTorch's TRL has this one too. */
const defaultBeta = 0.1;

function openPreferenceTrainee(tf: TensorFlow, { model: source, training }: TrainFile): Trainee<PreferenceRow> {
  const { beta = defaultBeta, labelSmoothing = 0, adapter = null } = training;
  const network = openLanguageModel(tf, source, { task: createPreference({ beta, labelSmoothing }), adapter });
  const encoder = createEncoder(network, source.folder);
  return {
    ...toLanguageTrainee(network),
    network,
    async readRows(path, options) {
      const { rows, truncated } = await readPreferenceRows(encoder, path, options);
      return { rows: addStart(network, rows), truncated }; // nothing is trained yet
    },
    check: async (path) => checkTexts(await readSample(path), encoder),
  };
}

function createEncoder({ config, maxLength }: LanguageModel<never>, folder: string): PreflightEncoder {
  const tokenizer = readTokenizer(folder);
  return { tokenizer, config, maxLength, ends: readEndTokens(folder, tokenizer) };
}

function toLanguageTrainee(model: LanguageModel<never>) {
  return {
    drawn: [],
    weigh: <Row>(rows: readonly Row[]): readonly Row[] => rows,
    openHelpers: null,
    save: (target: string, texts: SavedWith): string => saveLanguageModel(model, target, texts),
  };
}

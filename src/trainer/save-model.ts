import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toFileFailure } from '../errors.ts';
import { replaceFolder } from '../lib/fs.ts';
import { getMerged, writePeftFolder } from './adapters/index.ts';
import type { Classifier } from './tasks/classification/classifier.ts';
import { computeAndFree, copyToStoredLayout } from './engine/network.ts';
import { getFamily, getFamilyFiles } from './families/index.ts';
import type { LanguageModel } from './language/model.ts';
import { languageFiles, readRevision, tokenizerFiles } from './model-folder.ts';
import { writeSafetensors, type TensorToWrite } from './safetensors.ts';

/**
 * Writes the classifier as a folder that transformers' `AutoModelForSequenceClassification` reads, with the tokenizer of the folder
 * `source`. A low-rank adapter is merged into the weights, and is in the folder `adapter` as PEFT saves it, for the model called `base`.
 * `target` is whole or absent; an earlier folder of that name is replaced.
 *
 * Returns the folder's revision.
 *
 * @throws Failure `disk-full` or `permission-denied`; nothing of the folder is left then
 */
export function saveModel(classifier: Classifier, target: string, { source, card, base }: SavedWith): string {
  const { config, labels, isMultiLabel } = classifier;
  return writeModelFolder(target, { config, labels, isMultiLabel, tensors: listTensors(classifier), card, source }, (folder) =>
    writeAdapter(classifier, folder, base),
  );
}

/** What a model is saved with beside its numbers. */
export interface SavedWith {
  readonly source: string;
  readonly card: string;
  readonly base: string;
}

/** The same of a language model, which transformers' `AutoModelForCausalLM` reads. */
export function saveLanguageModel(model: LanguageModel<never>, target: string, { source, card, base }: SavedWith): string {
  const json = getFamilyFiles(model.config).buildConfigJson(model.config);
  return writeFolder(target, { json, tensors: listTensors(model), card, source, copied: [...tokenizerFiles, ...languageFiles] }, (folder) =>
    writeAdapter(model, folder, base),
  );
}

type Saved = Classifier | LanguageModel<never>;

/** All numbers, with what an adapter adds to them, in the layout of the file. */
function listTensors(model: Saved): TensorToWrite[] {
  const { tf, specs } = model;
  return specs.map(({ name, shape, isLinear }) => ({
    name,
    shape,
    data: computeAndFree(tf, () => copyToStoredLayout(tf, getMerged(model, name), isLinear)),
  }));
}

function writeAdapter({ tf, config, parameters, adapter }: Saved, folder: string, base: string): void {
  if (!adapter) return;
  mkdirSync(join(folder, 'adapter'));
  writePeftFolder(join(folder, 'adapter'), { tf, config, parameters, base, ...adapter });
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
  return writeFolder(target, { json, tensors, card, source, copied: tokenizerFiles }, addMore);
}

interface FolderToWrite extends Pick<ModelToWrite, 'tensors' | 'card' | 'source'> {
  /** config.json. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Files of `source` that it has too. */
  readonly copied: readonly string[];
}

function writeFolder(target: string, { json, tensors, card, source, copied }: FolderToWrite, addMore: (folder: string) => void): string {
  try {
    return replaceFolder(target, (folder) => {
      writeFileSync(join(folder, 'config.json'), `${JSON.stringify(json, null, 2)}\n`);
      writeFileSync(join(folder, 'README.md'), card);
      writeSafetensors(join(folder, 'model.safetensors'), tensors);
      for (const name of copied) if (existsSync(join(source, name))) copyFileSync(join(source, name), join(folder, name));
      addMore(folder);
      return readRevision(folder);
    });
  } catch (error) {
    throw toFileFailure(error, 'model', target);
  }
}

import { closeSync, copyFileSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toFileFailure } from '../errors.ts';
import type { BertConfig } from '../model-files/bert-config.ts';
import { readRevision, tokenizerFiles } from '../model-files/model-folder.ts';
import { flushFolder, writeSafetensors } from '../model-files/write-safetensors.ts';
import type { Classifier } from './classifier.ts';
import { toTensorsToWrite } from './parameters.ts';

/**
 * Writes the classifier as a folder that transformers' `AutoModelForSequenceClassification` reads. It is made under a temporary name
 * and renamed: `target` is whole or absent. An earlier folder of that name is replaced.
 *
 * Returns the folder's revision.
 *
 * @throws Failure `disk-full` or `permission-denied`; nothing of the folder is left then
 */
export function saveModel(classifier: Classifier, target: string, { source, card }: { source: string; card: string }): string {
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const revision = writeModel(classifier, temporary, { source, card });
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    flushFolder(dirname(target));
    return revision;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw toFileFailure(error, 'model', target);
  }
}

function writeModel(classifier: Classifier, temporary: string, { source, card }: { source: string; card: string }): string {
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  writeFlushed(join(temporary, 'config.json'), `${JSON.stringify(toConfigJson(classifier.config, classifier.labels), null, 2)}\n`);
  writeFlushed(join(temporary, 'README.md'), card);
  writeSafetensors(join(temporary, 'model.safetensors'), toTensorsToWrite(classifier.tf, classifier.specs, classifier.parameters));
  for (const name of tokenizerFiles) {
    if (!existsSync(join(source, name))) continue;
    copyFileSync(join(source, name), join(temporary, name));
    flushFile(join(temporary, name));
  }
  flushFolder(temporary);
  return readRevision(temporary);
}

/** config.json in transformers' names. Only fields that we understand: what else the base model's file said is not carried on. */
function toConfigJson(config: BertConfig, labels: readonly string[]): Record<string, unknown> {
  return {
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    problem_type: 'single_label_classification',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_act: 'gelu',
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    classifier_dropout: config.classifierDropout,
    max_position_embeddings: config.maxPositions,
    type_vocab_size: config.typeVocabSize,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEpsilon,
    pad_token_id: config.padTokenId,
    position_embedding_type: 'absolute',
    torch_dtype: 'float32',
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}

function writeFlushed(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  flushFile(path);
}

function flushFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

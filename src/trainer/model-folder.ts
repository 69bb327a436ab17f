/** A model as Hugging Face's libraries save it: a folder with config.json, weights in safetensors, and a tokenizer. */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Failure } from '../errors.ts';
import { hashFileSync } from '../lib/fs.ts';
import { isObject, readJsonObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { countTrained } from './adapters/index.ts';
import { readVocabulary } from './vocabulary.ts';
import {
  causalFamilies,
  families,
  findCausalFamily,
  findFamily,
  getCausalFamily,
  getFamily,
  getFamilyFiles,
  type CausalConfig,
  type ModelConfig,
  type NetworkConfig,
} from './families/index.ts';
import { findParameters, type ParameterSpec } from './engine/parameters.ts';
import type { AdapterSettings } from './protocol.ts';
import { isMultiLabelConfig, parseLabels } from './model-labels.ts';
import { readSafetensorsIndex, type SafetensorsIndex } from './safetensors.ts';
import { getRules, listParameters } from './tasks/classification/head.ts';

export { isMultiLabelConfig, matchHead, parseLabelNames } from './model-labels.ts';
export type { CausalConfig, ModelConfig };

/** The families that can be trained: `model_type` of config.json. */
export const familyNames: readonly string[] = Object.keys(families);
/** Those of language models. */
const causalNames: readonly string[] = Object.keys(causalFamilies);

/** Files that are copied with a model and counted in its revision, where present. */
export const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'chat_template.jinja',
] as const;

/** Files that are copied with a language model, where present. */
export const languageFiles = ['generation_config.json'] as const;

/** Twice the largest tokenizers of today's models. */
const maxTokenizerBytes = 64 * 2 ** 20;
/** The library tries every part of a text that is as long as the longest token, and keeps tokens in trees of their characters. */
const longestToken = 1000;

export const maxConfigBytes = 2 ** 20;
const maxShards = 1000;

export interface ModelFolder {
  readonly folder: string;
  readonly config: ModelConfig;
  /** Label names in the order of the classes where the folder has a classification head, else null. */
  readonly labels: readonly string[] | null;
  /** Whether a text may have several of them, or none. */
  readonly isMultiLabel: boolean;
  /** The longest sequence that the model can read, in tokens. */
  readonly maxPositions: number;
  readonly weights: readonly SafetensorsIndex[];
  /** Parameters beside the head that the weights lack, and that are drawn anew; usually none. */
  readonly drawn: readonly string[];
  /** How many numbers the model is made of, with its head where it has one. */
  readonly parameters: number;
  /** Names the exact contents: see `readRevision`. */
  readonly revision: string;
}

/**
 * Reads a model folder without the numbers of its weights, and checks that the model is of a supported family with all its parameters,
 * and with a tokenizer.
 *
 * @throws Failure `file-missing` when there is no such folder; `model-invalid` when a file is missing, broken or not supported
 */
export function readModelFolder(folder: string): ModelFolder {
  const model = readNetworkFolder(folder);
  readTokenizerFiles(folder);
  return model;
}

/** The same of a folder that needs no tokenizer: what it computes of tokens can be asked all the same. */
export function readNetworkFolder(folder: string): ModelFolder {
  checkFolder(folder);
  const path = requireFile(folder, 'config.json', 'Give the folder that transformers’ save_pretrained wrote.');
  const json = readJsonObject(path, 'model configuration', maxConfigBytes);
  const config = parseModelConfig(json, path);
  const family = getFamily(config);
  const weights = findWeightFiles(folder).map((file) => readSafetensorsIndex(join(folder, file)));
  const labels = parseLabels(json, weights, { path, family });
  const rules = getRules(config, labels?.length ?? null);
  const found = findParameters(weights, rules);
  const drawn = rules.specs.map(({ name }) => name).filter((name) => !found.has(name));
  const parameters = countParameters(config, labels?.length ?? 0);
  const isMultiLabel = isMultiLabelConfig(json);
  const revision = readRevision(folder);
  return { folder, config, labels, isMultiLabel, maxPositions: config.maxPositions, weights, drawn, parameters, revision };
}

/** A folder with a language model. */
export interface LanguageFolder extends Pick<ModelFolder, 'folder' | 'weights' | 'parameters' | 'revision'> {
  readonly config: CausalConfig;
}

/**
 * Reads the folder of a language model without the numbers of its weights, and checks that all its parameters are there.
 * @throws Failure `file-missing` or `model-invalid`
 */
export function readLanguageFolder(folder: string): LanguageFolder {
  checkFolder(folder);
  const path = requireFile(folder, 'config.json', 'Give the folder that transformers’ save_pretrained wrote.');
  const config = parseCausalConfig(readJsonObject(path, 'model configuration', maxConfigBytes), path);
  const family = getCausalFamily(config);
  const weights = findWeightFiles(folder).map((file) => readSafetensorsIndex(join(folder, file)));
  const { toCanonicalName, isIgnored } = family;
  findParameters(weights, { specs: family.listParameters(config), toCanonicalName, isIgnored, optional: [] });
  return { folder, config, weights, parameters: countParameters(config, 0), revision: readRevision(folder) };
}

/**
 * The sizes of a language model that a config.json gives; `source` names it in messages.
 * @throws Failure `model-invalid` for a family that is not supported, or a field that is wrong
 */
export function parseCausalConfig(json: Readonly<Record<string, unknown>>, source: string): CausalConfig {
  const name = json['model_type'];
  const family = typeof name === 'string' ? findCausalFamily(name) : null;
  if (family) return family.parseConfig(json, source);
  const expected = `a language model (${causalNames.join(', ')})`;
  throw new Failure('model-invalid', `${source}: model_type: expected ${expected}, found ${formatValue(name)}`, {
    hint: 'Choose a model of a supported family, or another provider for this one.',
  });
}

/**
 * The sizes that a config.json gives; `source` names it in messages.
 * @throws Failure `model-invalid` for a family that is not supported, or a field that is wrong
 */
export function parseModelConfig(json: Readonly<Record<string, unknown>>, source: string, expected = familyNames): ModelConfig {
  const name = json['model_type'];
  const family = typeof name === 'string' ? findFamily(name) : null;
  if (family) return family.parseConfig(json, source);
  throw new Failure('model-invalid', `${source}: model_type: expected one of ${expected.join(', ')}, found ${formatValue(name)}`, {
    hint: 'Choose a model of a supported family, or another provider for this one.',
  });
}

/** The sizes of a network of any family; `source` names it in messages. @throws Failure `model-invalid` */
export function parseNetworkConfig(json: Readonly<Record<string, unknown>>, source: string): ModelConfig | CausalConfig {
  return isLanguageConfig(json) ? parseCausalConfig(json, source) : parseModelConfig(json, source, [...familyNames, ...causalNames]);
}

/** Whether a config.json is of a language model that can be trained. */
export function isLanguageConfig({ model_type: name }: Readonly<Record<string, unknown>>): boolean {
  return typeof name === 'string' && findCausalFamily(name) !== null;
}

/** Whether the model of a folder, or sizes that were read, are those of a language model. */
export function isLanguageModel({ family }: Pick<NetworkConfig, 'family'>): boolean {
  return findCausalFamily(family) !== null;
}

/** Whether a folder holds a language model; false for one without a config.json. @throws Failure `model-invalid` where that cannot be read */
export function isLanguageFolder(folder: string): boolean {
  const path = join(folder, 'config.json');
  return existsSync(path) && isLanguageConfig(readJsonObject(path, 'model configuration', maxConfigBytes));
}

/** How many numbers a classifier of this shape trains, or a language model, which has no classes. */
export function countParameters(config: NetworkConfig, classes: number): number {
  return listAll(config, classes).reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** How many of them an adapter trains, with its own. */
export function countTrainedParameters(config: NetworkConfig, classes: number, adapter: AdapterSettings): number {
  return countTrained(config, adapter, listAll(config, classes));
}

function listAll(config: NetworkConfig, classes: number): ParameterSpec[] {
  return isLanguageModel(config) ? getFamilyFiles(config).listParameters(config) : listParameters(config as ModelConfig, classes);
}

/**
 * The hash of what a model folder means, its configuration, weights and tokenizer: SHA-256 (hex) over the JSON array of [file name,
 * SHA-256 hex] pairs in the order of the names' code units. Other files (README, images) do not count.
 */
export function readRevision(folder: string): string {
  checkFolder(folder);
  const names = ['config.json', ...findWeightFiles(folder), ...tokenizerFiles.filter((name) => existsSync(join(folder, name)))];
  const files = names.sort().map((name) => [name, hashFileSync(join(folder, name), 'model file').sha256]);
  return createHash('sha256').update(JSON.stringify(files)).digest('hex');
}

function checkFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found)
    throw new Failure('file-missing', `model folder not found: ${folder}`, { hint: 'Check the path of "model" in the job file.' });
  if (!found.isDirectory())
    throw new Failure('file-missing', `expected a model folder, found a file: ${folder}`, {
      hint: 'Give the folder that holds config.json.',
    });
}

function requireFile(folder: string, name: string, hint: string): string {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Failure('model-invalid', `the model folder has no ${name}: ${folder}`, { hint });
  return path;
}

/** model.safetensors, or the parts that model.safetensors.index.json lists. @throws Failure `model-invalid` where there are none */
export function findWeightFiles(folder: string): string[] {
  if (existsSync(join(folder, 'model.safetensors'))) return ['model.safetensors'];
  const indexPath = join(folder, 'model.safetensors.index.json');
  if (!existsSync(indexPath)) {
    throw new Failure('model-invalid', `the model folder has no model.safetensors: ${folder}`, {
      hint: 'Weights in pickle files (.bin) are not read; convert them with save_pretrained(folder, safe_serialization=True).',
    });
  }
  const map = readJsonObject(indexPath, 'weights index', 64 * maxConfigBytes)['weight_map'];
  const names = isObject(map) ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || names.length > maxShards)
    throw new Failure('model-invalid', `${indexPath}: expected a "weight_map" with 1 to ${maxShards} files, found ${names.length}`);
  return names.map((name) => {
    if (typeof name !== 'string' || name !== basename(name) || !name.endsWith('.safetensors')) {
      throw new Failure(
        'model-invalid',
        `${indexPath}: expected names of .safetensors files in the same folder, found ${formatValue(name)}`,
      );
    }
    return basename(requireFile(folder, name, 'Download the model again: a part is missing.'));
  });
}

/** tokenizer.json and tokenizer_config.json (an empty object where there is none). */
export interface TokenizerFiles {
  /** Of tokenizer.json, or of the vocab.txt that takes its place. */
  readonly path: string;
  readonly definition: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Reads the files of a tokenizer and checks their size. What they mean is left to the library that uses them.
 *
 * @throws Failure `file-missing` when there is no such folder; `model-invalid` when there is neither a tokenizer.json nor a vocab.txt, or
 * a file is too large, broken or without tokens
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  checkFolder(folder);
  const path = ['tokenizer.json', 'vocab.txt'].map((name) => join(folder, name)).find((file) => existsSync(file));
  if (path === undefined) {
    throw new Failure('model-invalid', `the model folder has neither a tokenizer.json nor a vocab.txt: ${folder}`, {
      hint: 'Write one with transformers: AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder)',
    });
  }
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readJsonObject(configPath, 'tokenizer configuration', maxTokenizerBytes) : {};
  const isVocabulary = path.endsWith('.txt');
  const definition = isVocabulary ? readVocabulary(path, config, maxTokenizerBytes) : readJsonObject(path, 'tokenizer', maxTokenizerBytes);
  checkTokens(definition, path);
  return { path, definition, config };
}

function checkTokens({ model, added_tokens: added }: Readonly<Record<string, unknown>>, path: string): void {
  const vocabulary = isObject(model) ? model['vocab'] : undefined;
  const isList = Array.isArray(vocabulary); // of tokens with their scores, in a Unigram model
  if (!isList && !isObject(vocabulary)) {
    throw new Failure('model-invalid', `${path}: model.vocab: expected the tokens of the model, found ${formatValue(vocabulary)}`, {
      hint: 'The file is damaged or cut short: download it or save it again.',
    });
  }
  const own = isList
    ? vocabulary.map((entry: unknown) => (Array.isArray(entry) ? (entry as unknown[])[0] : entry))
    : Object.keys(vocabulary);
  const others = Array.isArray(added) ? added.map((token: unknown) => (isObject(token) ? token['content'] : token)) : [];
  for (const token of [...own, ...others]) {
    if (typeof token === 'string' && token.length <= longestToken) continue;
    throw new Failure('model-invalid', `${path}: expected tokens of at most ${longestToken} characters, found ${formatValue(token)}`);
  }
}

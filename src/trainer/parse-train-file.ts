/** Checks of what the trainer is told: it comes from this program, but what is wrong in it must not fail late or silently. */
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { readJsonObject } from '../model-files/read-json.ts';
import type { PredictFile, TrainFile } from './files.ts';
import { isObject } from '../lib/json.ts';

type Fields = Readonly<Record<string, unknown>>;
type Refuse = (field: string, expected: string) => Failure;

/** train.json of a run folder. @throws Failure `configuration-invalid` naming the field, `file-missing` */
export function readTrainFile(folder: string): TrainFile {
  const path = join(folder, 'train.json');
  const json = readJsonObject(path, 'training file', 2 ** 24);
  const refuse: Refuse = (field, expected) => new Failure('configuration-invalid', `${path}: ${field}: expected ${expected}`);
  checkStart(json, refuse);
  const { rows, training, card } = json;
  if (!isCount(json['attempt'], 0)) throw refuse('attempt', 'a whole number');
  if (typeof json['nonce'] !== 'string') throw refuse('nonce', 'a string');
  if (!isObject(rows) || typeof rows['train'] !== 'string') throw refuse('rows.train', 'a path');
  if (rows['validation'] !== null && typeof rows['validation'] !== 'string') throw refuse('rows.validation', 'a path or null');
  if (!isObject(card) || typeof card['name'] !== 'string' || typeof card['base'] !== 'string') throw refuse('card', 'a name and a base');
  if (!isObject(training)) throw refuse('training', 'an object');
  checkTraining(training, (field, expected) => refuse(`training.${field}`, expected));
  return json as unknown as TrainFile;
}

/** The first line of a prediction's input. @throws Failure `data-invalid` naming the field; `place` is for the message */
export function parsePredictFile(line: string, place: string): PredictFile {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    throw new Failure('data-invalid', `${place}: not valid JSON: ${line.slice(0, 100)}`, { error });
  }
  if (!isObject(json)) throw new Failure('data-invalid', `${place}: expected a JSON object`);
  checkStart(json, (field, expected) => new Failure('data-invalid', `${place}: ${field}: expected ${expected}`));
  return json as unknown as PredictFile;
}

function checkStart(json: Fields, refuse: Refuse): void {
  const { version, backend, model } = json;
  if (version !== 1) throw refuse('version', '1');
  if (backend !== 'wasm' && backend !== 'cpu') throw refuse('backend', '"wasm" or "cpu"');
  if (!isObject(model) || typeof model['folder'] !== 'string') throw refuse('model.folder', 'a path');
  if (!Array.isArray(model['labels']) || !model['labels'].every((label) => typeof label === 'string'))
    throw refuse('model.labels', 'an array of names');
  if (!Number.isSafeInteger(model['seed'])) throw refuse('model.seed', 'a whole number');
  if (!isCount(model['maxLength'], 1)) throw refuse('model.maxLength', 'a positive whole number');
}

function checkTraining(training: Fields, refuse: Refuse): void {
  const { epochs, steps, warmupRatio, schedule, select, seed, checkpointSteps } = training;
  for (const field of ['batchSize', 'microBatchSize']) if (!isCount(training[field], 1)) throw refuse(field, 'a positive whole number');
  for (const field of ['learningRate', 'weightDecay', 'maxGradNorm', 'warmupRatio'])
    if (!isAmount(training[field])) throw refuse(field, 'a number from 0');
  if ((warmupRatio as number) > 1) throw refuse('warmupRatio', 'at most 1');
  if ((epochs === null) === (steps === null)) throw refuse('epochs', 'either epochs or steps, the other one null');
  if (epochs !== null && !(isAmount(epochs) && epochs > 0)) throw refuse('epochs', 'a positive number');
  if (steps !== null && !isCount(steps, 1)) throw refuse('steps', 'a positive whole number');
  if (schedule !== 'linear' && schedule !== 'cosine' && schedule !== 'constant')
    throw refuse('schedule', '"linear", "cosine" or "constant"');
  if (select !== 'last' && select !== 'best') throw refuse('select', '"last" or "best"');
  if (!Number.isSafeInteger(seed)) throw refuse('seed', 'a whole number');
  if (checkpointSteps !== null && !isCount(checkpointSteps, 1)) throw refuse('checkpointSteps', 'a positive whole number or null');
}

function isCount(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

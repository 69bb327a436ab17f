import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { formatLabelList } from '../../src/dataset/label-list.ts';
import { Failure } from '../../src/errors.ts';
import type { PredictionContext } from '../../src/provider/context.ts';
import type { FolderModel, ModelRef } from '../../src/provider/model.ts';
import type { Prediction, PredictionRow, TextRow } from '../../src/provider/prediction.ts';
import { toModelName } from '../../src/provider/model-name.ts';
import { spawnPrediction } from '../../src/lib/process.ts';
import { defaultBackend } from '../../src/trainer/backends/index.ts';
import type { PredictAnswer, PredictFile, PredictRow } from '../../src/trainer/predict-protocol.ts';
import { isLanguageFolder } from '../../src/trainer/model-folder.ts';
import { bringDeleted } from './base-model.ts';
import { parsePredictFailure } from './process-failure.ts';
import { write } from './write.ts';

/** Answers rows with a model folder: a process of its own reads them as JSON lines and answers in JSON lines. */
export async function* predict(model: ModelRef, rows: readonly PredictionRow[], context: PredictionContext): AsyncGenerator<Prediction> {
  if (model.kind !== 'folder') throw new Failure('model-invalid', `expected a model folder, found ${toModelName(model)}`);
  if (rows.length === 0) return;
  await bringDeleted(model.path, context);
  if (isLanguageFolder(model.path)) yield* write(model, rows, context);
  else yield* classify(model, rows, context);
}

async function* classify(model: FolderModel, rows: readonly PredictionRow[], context: PredictionContext): AsyncGenerator<Prediction> {
  const child = spawnPrediction(context.signal);
  await once(child, 'spawn'); // or it throws why there is none
  const { stdin, stdout, stderr } = child as Required<typeof child> & typeof child;
  const ended = once(child, 'close') as Promise<[number | null]>;
  const errors = text(stderr!);
  const { path: folder, labels, isMultiLabel, seed, maxLength } = model;
  const several = isMultiLabel === undefined ? {} : { isMultiLabel };
  const file: PredictFile = { version: 1, backend: defaultBackend, model: { folder, labels, ...several, seed, maxLength } };
  // A process that dies early closes the pipe; its exit says why.
  stdin!.on('error', () => {});
  stdin!.end([file, ...(rows.filter(isText) satisfies readonly PredictRow[])].map((line) => `${JSON.stringify(line)}\n`).join(''));
  let answered = 0;
  for await (const line of createInterface({ input: stdout! })) {
    yield toPrediction(JSON.parse(line) as PredictAnswer, model);
    answered++;
  }
  const [status] = await ended;
  if (status !== 0 || answered !== rows.length) throw parsePredictFailure(await errors, status);
}

function isText(row: PredictionRow): row is TextRow {
  return 'text' in row;
}

/** Of several labels a text each is given whose probability is more than one half. */
export function toPrediction(answer: PredictAnswer, { labels, isMultiLabel }: Pick<FolderModel, 'labels' | 'isMultiLabel'>): Prediction {
  const { value } = answer;
  if (value !== undefined) return { id: answer.id, answer: formatNumber(value), probabilities: null, truncated: answer.truncated };
  const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
  return {
    id: answer.id,
    answer: isMultiLabel ? formatLabelList(labels.filter((_, i) => answer.probabilities[i]! > 0.5)) : (labels[best] ?? null),
    probabilities: Object.fromEntries(labels.map((label, i) => [label, answer.probabilities[i]!])),
    truncated: answer.truncated,
  };
}

/** As many digits as a number of single precision has. */
function formatNumber(value: number): string {
  return String(Number(value.toPrecision(7)));
}

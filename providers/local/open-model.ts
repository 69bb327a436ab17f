/** A model of a folder that stays open: a process of its own answers, a classifier's or one that writes. */
import { join } from 'node:path';
import { Failure, failureKinds, type FailureData } from '../../src/errors.ts';
import { isObject, readJsonObject } from '../../src/lib/json.ts';
import { spawnAnswering, type AnsweringProcess } from '../../src/lib/process.ts';
import type { Context } from '../../src/provider/context.ts';
import type { FolderModel, FolderName } from '../../src/provider/model.ts';
import type { AnswerPart, AnswerRequest, AnswerText, OpenModel, SamplingSettings } from '../../src/provider/open-model.ts';
import { defaultBackend } from '../../src/trainer/backends/index.ts';
import { isLanguageFolder, maxConfigBytes, readModelFolder, readTokenizerFiles } from '../../src/trainer/model-folder.ts';
import type { GenerateDelta, GenerateDone, GenerateFile } from '../../src/trainer/generate-protocol.ts';
import type { PredictAnswer, PredictFile } from '../../src/trainer/predict-protocol.ts';
import { bringDeleted } from './base-model.ts';
import { createExchange, type AnswerLine, type Exchange } from './exchange.ts';
import { toPrediction } from './predict.ts';
import { createLeadCutter, readLocalTemplate } from './chat-template.ts';
import { readLimit, readPositions } from './row-tokenizer.ts';

/** Starts the process of a kind of models. */
export type StartProcess = (command: 'predict' | 'generate') => AnsweringProcess;

/**
 * Opens a model, and has it answer once: what is wrong with it is then known, and it is warm.
 * @throws Failure of the folder, or of the process
 */
export async function open(model: FolderModel | FolderName, context: Context, start: StartProcess = spawnAnswering): Promise<OpenModel> {
  await bringDeleted(model.path, context);
  const opened = isLanguageFolder(model.path) ? openWriter(model, start) : openClassifier(model, start);
  try {
    for await (const part of opened.answer({ ...briefest, input: { text: 'a' } }, context.signal)) void part;
  } catch (error) {
    await opened.close();
    throw error;
  }
  return opened;
}

const briefest: SamplingSettings = {
  maxTokens: 1,
  temperature: 0,
  topP: 1,
  topK: null,
  seed: 0,
  stop: [],
  schema: null,
  alternatives: null,
};

type Labelling = Pick<FolderModel, 'labels' | 'isMultiLabel' | 'seed' | 'maxLength'>;

function openClassifier(model: FolderModel | FolderName, start: StartProcess): OpenModel {
  const { labels, isMultiLabel, seed, maxLength }: Labelling = 'labels' in model ? model : readLabelling(model.path);
  const several = isMultiLabel === undefined ? {} : { isMultiLabel };
  const first: PredictFile = {
    version: 1,
    backend: defaultBackend,
    model: { folder: model.path, labels, ...several, seed, maxLength },
  };
  const exchange = createExchange({ start: () => start('predict'), first, isLast: () => true, canCancel: false });
  return {
    gives: labels.length === 0 ? 'number' : isMultiLabel ? 'labels' : 'label',
    maxLength,
    note: null,
    async *answer({ input, alternatives }, signal) {
      if (!('text' in input)) throw new Failure('data-invalid', 'expected a text for a classifier, found a conversation');
      for await (const line of exchange.ask(input, signal)) {
        const said = line as unknown as PredictAnswer;
        yield toAnswer(said, { labels, isMultiLabel }, alternatives);
        yield { type: 'end', reason: 'stop', promptTokens: said.tokens, tokens: 1, truncated: said.truncated };
      }
    },
    close: async () => await exchange.close(),
  };
}

/** As the folder itself says it. @throws Failure `model-invalid` for one without a head */
function readLabelling(folder: string): Labelling {
  const { labels, isMultiLabel, maxPositions } = readModelFolder(folder);
  if (labels === null) {
    throw new Failure('model-invalid', `${folder}: expected a model that gives labels or writes text, found one without a head`, {
      hint: 'a base model answers nothing before it is trained; `orchestrate submit` trains it',
    });
  }
  const config = readJsonObject(join(folder, 'config.json'), 'model configuration', maxConfigBytes);
  const isNumber = config['problem_type'] === 'regression' && labels.length === 1;
  const maxLength = Math.min(maxPositions, readLimit(folder, readTokenizerFiles(folder).config) ?? maxPositions);
  return { labels: isNumber ? [] : labels, ...(isMultiLabel ? { isMultiLabel } : {}), seed: 0, maxLength };
}

/**
 * The answer with its probability. Of several labels each has its own one, and the list that of them and of no other; a number has none.
 */
function toAnswer(
  said: PredictAnswer,
  { labels, isMultiLabel }: Pick<FolderModel, 'labels'> & { readonly isMultiLabel: true | undefined },
  count: number | null,
): AnswerText {
  const { answer } = toPrediction(said, { labels, ...(isMultiLabel ? { isMultiLabel } : {}) });
  const text = answer ?? '';
  const own = labels.map((label, i) => ({ text: label, logProbability: toLogarithm(said.probabilities[i]!) }));
  if (count === null || own.length === 0) return { type: 'text', text, logProbability: null, alternatives: [] };
  const ranked = own.toSorted((a, b) => b.logProbability - a.logProbability).slice(0, count);
  const given = isMultiLabel ? labels.filter((_, i) => said.probabilities[i]! > 0.5) : [text];
  const logProbability = isMultiLabel
    ? said.probabilities.reduce((sum, p, i) => sum + toLogarithm(given.includes(labels[i]!) ? p : 1 - p), 0)
    : own.find((one) => one.text === text)!.logProbability;
  return { type: 'text', text, logProbability, alternatives: ranked };
}

/** JSON has no infinity: the least that OpenAI writes. */
const least = -9999;

function toLogarithm(probability: number): number {
  return probability > 0 ? Math.min(0, Math.max(least, Math.log(probability))) : least;
}

/** A model that writes: `trainer generate` reads the conversation as the chat template writes it. */
function openWriter(model: FolderModel | FolderName, start: StartProcess): OpenModel {
  const { path: folder } = model;
  const { config } = readTokenizerFiles(folder);
  const { template, note, answerLead } = readLocalTemplate(folder);
  const most = Math.min(readLimit(folder, config) ?? Infinity, readPositions(folder) ?? 2048);
  const maxLength = 'maxLength' in model ? model.maxLength : most;
  const first: GenerateFile = { version: 1, backend: defaultBackend, model: { folder, maxLength } };
  const isLast = (line: AnswerLine): boolean => 'done' in line || 'failure' in line;
  const exchange = createExchange({ start: () => start('generate'), first, isLast, canCancel: true });
  return {
    gives: 'text',
    maxLength,
    note,
    async *answer({ input, ...settings }, signal) {
      const text = 'text' in input ? input.text : template.render(input, { addGenerationPrompt: true }).text;
      const begin = !('text' in input) && template.hasBegin ? { hasBegin: true as const } : {};
      const cut = createLeadCutter('text' in input ? '' : answerLead);
      for await (const part of generate(exchange, { text, ...begin, ...settings, maxTokens: settings.maxTokens ?? maxLength }, signal)) {
        yield part.type === 'text' ? { ...part, text: cut(part.text) } : part;
      }
    },
    close: async () => await exchange.close(),
  };
}

async function* generate(
  exchange: Exchange,
  { schema, alternatives, ...request }: Omit<AnswerRequest, 'input'> & { readonly text: string; readonly hasBegin?: true },
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  const more = { ...(schema === null ? {} : { schema }), ...(alternatives === null ? {} : { logprobs: alternatives }) };
  for await (const line of exchange.ask({ ...request, ...more, isWhole: true }, signal)) {
    if (isObject(line['failure'])) throw toFailure(line['failure'] as unknown as FailureData);
    if (isObject(line['done'])) {
      const { reason, promptTokens, tokens } = line['done'] as unknown as GenerateDone;
      yield { type: 'end', reason, promptTokens, tokens, truncated: false };
    } else yield toText(line as unknown as GenerateDelta);
  }
}

function toText({ delta, logprob, top = [] }: GenerateDelta): AnswerText {
  const alternatives = top.map((one) => ({ text: one.token, logProbability: one.logprob }));
  return { type: 'text', text: delta, logProbability: logprob ?? null, alternatives };
}

function toFailure({ code, message, hint }: FailureData): Failure {
  const known = code in failureKinds ? code : 'unexpected';
  return new Failure(known, message, hint === null ? {} : { hint });
}

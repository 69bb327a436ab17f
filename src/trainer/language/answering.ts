/** Answers that are written together, token by token. */
import { Failure, toFailureData, type FailureData } from '../../errors.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { GenerateDelta, GenerateDone, GenerateRow } from '../generate-protocol.ts';
import type { TextStream } from '../token-text.ts';
import { explainMemory } from '../memory.ts';
import { checkIds } from '../tasks/row-lines.ts';
import { startContinuation } from './continuation.ts';
import type { LanguageNetwork } from './model.ts';
import type { TokenGuide } from './json-guide.ts';
import { chooseToken, listMostProbable } from './sample.ts';

/** A model that writes. */
export interface Writer {
  readonly network: Omit<LanguageNetwork<never>, 'task'>;
  readonly tokenizer: Tokenizer;
  /** The most tokens of a text and its answer together. */
  readonly maxLength: number;
  /** The tokens after which an answer is complete. */
  readonly ends: ReadonlySet<number>;
  /** @throws Failure for a schema that cannot be followed */
  startGuide(schema: unknown, maxTokens: number): TokenGuide;
}

/** What becomes of a request. */
export interface Reader {
  write(part: GenerateDelta): void;
  end(done: GenerateDone): void;
  fail(failure: FailureData): void;
  /** Asked before each token. */
  isCancelled(): boolean;
}

/** An answer that is being written. */
interface Answer {
  readonly row: GenerateRow;
  readonly reader: Reader;
  readonly promptTokens: number;
  readonly room: number;
  readonly guide: TokenGuide | null;
  readonly stream: TextStream;
  /** Text that may be the beginning of one that ends the answer. */
  held: string;
  tokens: number;
  hasEnded: boolean;
}

/** Writes all answers; a step gives each of them a token. What else is to be done is done between the steps, in `rest`. */
export async function writeAnswers(
  writer: Writer,
  requests: readonly { readonly row: GenerateRow; readonly reader: Reader }[],
  rest: () => Promise<void>,
): Promise<void> {
  const begun = requests.flatMap(({ row, reader }) => {
    try {
      const ids = readPrompt(writer, row);
      return [{ ids, answer: begin(writer, { row, reader, promptTokens: ids.length }) }];
    } catch (error) {
      reader.fail(toFailureData(error));
      return [];
    }
  });
  const answers = begun.map(({ answer }) => answer);
  try {
    if (begun.length > 0) await continueAnswers(writer, { answers, texts: begun.map(({ ids }) => ids), rest });
  } catch (error) {
    const failure = toFailureData(explainMemory(error)); // the next answers may be shorter
    for (const { reader } of answers.filter(({ hasEnded }) => !hasEnded)) reader.fail(failure);
  }
}

async function continueAnswers(
  writer: Writer,
  { answers, texts, rest }: { answers: readonly Answer[]; texts: readonly (readonly number[])[]; rest: () => Promise<void> },
): Promise<void> {
  const continuation = startContinuation(writer.network, texts);
  try {
    for (;;) {
      const chosen = answers.map((answer, i) => takeStep(writer, answer, continuation.logits[i]!));
      if (answers.every(({ hasEnded }) => hasEnded)) return;
      await rest();
      continuation.append(chosen);
    }
  } finally {
    continuation.close();
  }
}

/** The tokens of a text; of a long one the last, so that there is room for an answer. @throws Failure `data-invalid` where it is to be read as a whole, and for one without a token */
function readPrompt({ network, tokenizer, maxLength }: Writer, { text, maxTokens, isWhole, hasBegin }: GenerateRow): readonly number[] {
  const { ids } = tokenizer.encodeSpans({ text, learned: [], hasBegin }, Number.MAX_SAFE_INTEGER);
  checkIds(ids, network.config.vocabSize);
  if (ids.length === 0) throw new Failure('data-invalid', 'expected a text of at least one token, found none');
  if (isWhole === true) {
    if (ids.length < maxLength) return ids;
    throw new Failure('data-invalid', `the text has ${ids.length} tokens, and the model reads and writes ${maxLength} at most`);
  }
  const most = Math.max(1, maxLength - Math.min(maxTokens, Math.ceil(maxLength / 2)));
  return ids.length <= most ? ids : ids.slice(-most);
}

function begin(
  { maxLength, tokenizer, startGuide }: Writer,
  { row, reader, promptTokens }: Pick<Answer, 'row' | 'reader' | 'promptTokens'>,
): Answer {
  const room = Math.min(row.maxTokens, maxLength - promptTokens);
  const guide = row.schema === undefined ? null : startGuide(row.schema, room);
  return {
    row,
    reader,
    promptTokens,
    room,
    guide,
    stream: tokenizer.createStream({ isContinuation: true }),
    held: '',
    tokens: 0,
    hasEnded: false,
  };
}

/** Gives an answer its next token, which is returned; of one that has ended nothing is read. */
function takeStep(writer: Writer, answer: Answer, logits: Float32Array): number {
  const { config } = writer.network;
  if (answer.hasEnded || answer.reader.isCancelled()) {
    answer.hasEnded = true;
    return config.padTokenId;
  }
  const { row, guide } = answer;
  const isEnd = (id: number): boolean => writer.ends.has(id);
  const isAllowed = guide && ((id: number): boolean => (isEnd(id) ? guide.mayEnd() : guide.allows(id)));
  if (guide && !hasAllowed(logits, isAllowed!)) return end(answer, 'stop', config.padTokenId);
  const choice = chooseToken(logits, row, { place: answer.tokens, isAllowed });
  answer.tokens++;
  if (isEnd(choice.id)) return end(answer, 'stop', choice.id);
  guide?.advance(choice.id);
  const text = answer.stream.push(choice.id);
  if (tell(writer, answer, { text, logits, logProbability: choice.logProbability })) return end(answer, 'stop', choice.id, true);
  if (answer.tokens < answer.room) return choice.id;
  return end(answer, guide?.mayEnd() === true ? 'stop' : 'length', choice.id); // a guide leads to the end: nothing is cut
}

function hasAllowed(logits: Float32Array, isAllowed: (id: number) => boolean): boolean {
  return logits.some((_, id) => isAllowed(id));
}

interface Written {
  readonly text: string;
  readonly logits: Float32Array;
  readonly logProbability: number;
}

/** Whether the text reaches one that ends the answer; nothing from there on is told. */
function tell({ tokenizer }: Writer, answer: Answer, { text, logits, logProbability }: Written): boolean {
  const { row, reader } = answer;
  const all = answer.held + text;
  const found = row.stop.map((stop) => (stop === '' ? -1 : all.indexOf(stop))).filter((at) => at >= 0);
  const isStop = found.length > 0;
  const certain = isStop ? Math.min(...found) : all.length - countHeld(all, row.stop);
  answer.held = isStop ? '' : all.slice(certain);
  const delta = all.slice(0, certain);
  const figures =
    row.logprobs === undefined
      ? {}
      : {
          logprob: logProbability,
          top: listMostProbable(logits, row.logprobs).map((one) => ({
            token: tokenizer.decode([one.id], { keepsSpecial: true, isContinuation: true }),
            logprob: one.logProbability,
          })),
        };
  if (delta !== '' || row.logprobs !== undefined) reader.write({ delta, ...figures });
  return isStop;
}

/** How many of the last characters may begin a text that ends the answer. */
function countHeld(text: string, stops: readonly string[]): number {
  const begins = (count: number): boolean => stops.some((stop) => stop.length > count && text.endsWith(stop.slice(0, count)));
  const most = Math.max(0, ...stops.map((stop) => stop.length - 1));
  return Array.from({ length: Math.min(most, text.length) }, (_, i) => Math.min(most, text.length) - i).find(begins) ?? 0;
}

function end(answer: Answer, reason: GenerateDone['reason'], id: number, isCut = false): number {
  const rest = isCut ? '' : answer.held + answer.stream.end();
  if (rest !== '') answer.reader.write({ delta: rest });
  answer.hasEnded = true;
  answer.reader.end({ reason, promptTokens: answer.promptTokens, tokens: answer.tokens });
  return id;
}

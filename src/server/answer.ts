/** An answer on its way from the model to whoever asked: whole, or piece by piece as server-sent events. */
import type { AnswerEnd, AnswerPart, AnswerRequest, AnswerText, OpenModel } from '../provider/open-model.ts';
import { isFailure } from '../errors.ts';
import { formatError, hiddenFault, isRequestFault, refuse } from './errors.ts';
import type { ParsedRequest } from './requests.ts';

/** How a route words an answer; the objects are those of OpenAI's API. */
export interface Wording {
  /** What every object of an answer begins with: its id, its kind, when, and the model's name as it was asked for. */
  readonly about: Readonly<Record<'whole' | 'chunk', object>>;
  /** The choice of a whole answer. */
  buildWhole(texts: readonly AnswerText[], reason: AnswerEnd['reason']): object;
  /** The choice before the first piece; null where there is none. */
  readonly beginning: object | null;
  /** The choice of a piece; `offset`: how many characters were sent before it. */
  buildPiece(text: AnswerText, offset: number): object;
  buildEnd(reason: AnswerEnd['reason']): object;
}

/** An answer whose first part is there: before that a request can still be refused. */
export interface BegunAnswer {
  readonly first: AnswerPart;
  readonly rest: AsyncIterator<AnswerPart>;
}

/** @throws a refusal where the model cannot read the request, and the failure of the model */
export async function beginAnswer(model: OpenModel, request: AnswerRequest, signal: AbortSignal): Promise<BegunAnswer> {
  const rest = model.answer(request, signal)[Symbol.asyncIterator]();
  try {
    const next: IteratorResult<AnswerPart, unknown> = await rest.next();
    if (next.done === true) throw new Error('expected an answer of the model, found none');
    return { first: next.value, rest };
  } catch (error) {
    if (isFailure(error) && isRequestFault(error)) return refuse(400, error.message, toDetails(error.message));
    throw error;
  }
}

/** Programs look for the code where a conversation has grown too long. */
function toDetails(message: string): { readonly code?: string } {
  return /\btokens?\b/.test(message) ? { code: 'context_length_exceeded' } : {};
}

async function* listParts({ first, rest }: BegunAnswer): AsyncGenerator<AnswerPart> {
  try {
    for (let part: AnswerPart | undefined = first; part !== undefined;) {
      yield part;
      const next: IteratorResult<AnswerPart, unknown> = await rest.next();
      part = next.done === true ? undefined : next.value;
    }
  } finally {
    await rest.return?.();
  }
}

export async function sendWhole(begun: BegunAnswer, { about, buildWhole }: Wording): Promise<Response> {
  const texts: AnswerText[] = [];
  let end: AnswerEnd | null = null;
  for await (const part of listParts(begun)) {
    if (part.type === 'end') end = part;
    else texts.push(part);
  }
  if (end === null) throw new Error('expected an end of the answer, found none');
  const body = { ...about.whole, choices: [buildWhole(texts, end.reason)], usage: buildUsage(end) };
  return Response.json(body, { headers: end.truncated ? { 'x-truncated': 'true' } : {} });
}

interface StreamOptions {
  readonly request: ParsedRequest;
  readonly wording: Wording;
  /** Is called once the answer has ended, however it did. */
  onEnd(error: unknown): void;
}

export function sendStream(begun: BegunAnswer, { request, wording, onEnd }: StreamOptions): Response {
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
  const events = ReadableStream.from(listEvents(begun, { request, wording, onEnd }));
  return new Response(events.pipeThrough(new TextEncoderStream()), { headers });
}

async function* listEvents(begun: BegunAnswer, { request: { withUsage }, wording, onEnd }: StreamOptions): AsyncGenerator<string> {
  const { about, beginning, buildPiece, buildEnd } = wording;
  const noUsage = withUsage ? { usage: null } : {};
  const format = (choice: object): string => formatEvent({ ...about.chunk, choices: [choice], ...noUsage });
  let offset = 0;
  try {
    if (beginning !== null) yield format(beginning);
    for await (const part of listParts(begun)) {
      if (part.type === 'end') {
        yield format(buildEnd(part.reason));
        if (withUsage) yield formatEvent({ ...about.chunk, choices: [], usage: buildUsage(part) });
      } else {
        yield format(buildPiece(part, offset));
        offset += part.text.length;
      }
    }
    yield 'data: [DONE]\n\n';
    onEnd(null);
  } catch (error) {
    // The status is sent already.
    onEnd(error);
    yield formatEvent(formatError(500, hiddenFault));
  }
}

function formatEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function buildUsage({ promptTokens, tokens }: AnswerEnd): object {
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}

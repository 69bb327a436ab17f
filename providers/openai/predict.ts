import type OpenAI from 'openai';
import type { Context, PredictionContext } from '../../src/provider/context.ts';
import type { EndpointModel, ModelRef } from '../../src/provider/model.ts';
import type { Prediction, PredictionRow, PromptRow } from '../../src/provider/prediction.ts';
import { isFailure, type FailureCode } from '../../src/errors.ts';
import { callService } from './call-service.ts';
import { checkAnswerable } from './check-answerable.ts';
import type { Dialect } from './dialect.ts';
import { Completion, toPrediction } from './to-prediction.ts';
import { parseAnswer } from './upload.ts';

const mostTries = 3;

/**
 * What may go well the next time. Nothing was charged for an answer in the service's own words; a connection that broke, or the page of
 * a proxy, may hide an answer that was. A timeout is not tried again: its answer was surely being made.
 */
const passing: ReadonlySet<FailureCode> = new Set<FailureCode>(['rate-limited', 'service-unavailable', 'service-unreachable']);

/** As the service's own client has it. */
const answerMs = 600_000;

interface Task {
  readonly row: PromptRow;
  readonly tries: number;
}

interface Asking {
  readonly dialect: Dialect;
  readonly model: EndpointModel;
  readonly generation: PredictionContext['generation'];
  /** Until a request was refused for it. */
  withLogprobs: boolean;
}

type Outcome = { readonly task: Task } & ({ readonly prediction: Prediction } | { readonly pauseMs: number });

/**
 * Answers rows with a model of the service, as many at once as the context says, each as soon as it is there. A request that the
 * service turns away for now is sent up to three times, and meanwhile no others are.
 * @throws Failure of the first row that gets no answer; rows whose answers are on their way are dropped then
 */
export async function* predict(
  dialect: Dialect,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: PredictionContext,
): AsyncGenerator<Prediction> {
  const asked = checkAnswerable(dialect, { model, rows }, context);
  const asking: Asking = { dialect, model: asked.model, generation: context.generation, withLogprobs: true };
  const stop = new AbortController();
  const stoppable = toStoppable(context, stop.signal);
  const waiting: Task[] = asked.rows.map((row) => ({ row, tries: 1 }));
  const running = new Map<Task, Promise<Outcome>>();
  const most = Math.max(1, context.concurrency);
  let openAtMs = -Infinity;
  try {
    while (waiting.length + running.size > 0) {
      context.signal.throwIfAborted();
      const pauseMs = openAtMs - stoppable.now().getTime();
      if (pauseMs > 0 && running.size === 0) {
        await stoppable.wait(pauseMs);
        openAtMs = -Infinity;
      }
      while (running.size < most && openAtMs <= stoppable.now().getTime()) {
        const task = waiting.shift();
        if (task === undefined) break;
        running.set(task, tryOnce(asking, task, stoppable));
      }
      const outcome = await Promise.race(running.values());
      running.delete(outcome.task);
      if ('prediction' in outcome) yield outcome.prediction;
      else {
        openAtMs = Math.max(openAtMs, stoppable.now().getTime() + outcome.pauseMs);
        waiting.unshift({ ...outcome.task, tries: outcome.task.tries + 1 });
      }
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    stop.abort();
    await Promise.allSettled(running.values());
  }
}

/** The same context with a second signal. */
function toStoppable(context: PredictionContext, signal: AbortSignal): Context {
  return {
    signal: AbortSignal.any([context.signal, signal]),
    now: () => context.now(),
    wait: async (ms) => await context.wait(ms),
    setting: (name) => context.setting(name),
    credential: (name) => context.credential(name),
  };
}

async function tryOnce(asking: Asking, task: Task, context: Context): Promise<Outcome> {
  try {
    return { task, prediction: await ask(asking, task.row, context) };
  } catch (error) {
    if (!isFailure(error) || !passing.has(error.code) || task.tries >= mostTries) throw error;
    return { task, pauseMs: error.retryAfterMs ?? 1000 * 2 ** (task.tries - 1) };
  }
}

async function ask(asking: Asking, row: PromptRow, context: Context): Promise<Prediction> {
  const { dialect } = asking;
  const call = 'POST /chat/completions';
  const startedMs = context.now().getTime();
  const completion = await callService({ dialect, call, deadlineMs: answerMs }, context, async (client) => {
    const answer = await post(client, asking, row);
    return answer === null ? null : parseAnswer(Completion, answer, call);
  });
  return toPrediction(row.id, completion, context.now().getTime() - startedMs);
}

/** The answer; null where a filter of the service let none come about. */
async function post(client: OpenAI, asking: Asking, row: PromptRow): Promise<unknown> {
  const { withLogprobs } = asking;
  try {
    return await client.post<unknown>('/chat/completions', { body: toBody(asking, row) });
  } catch (error) {
    const { param, message, code } = toRefusal(error);
    if (code === 'content_filter') return null;
    if (!withLogprobs || !(param === 'logprobs' || message.includes('logprobs'))) throw error;
    asking.withLogprobs = false;
    return await post(client, asking, row);
  }
}

/** What the service says of a request that it refuses; nothing for anything else. */
function toRefusal(error: unknown): { param: unknown; code: unknown; message: string } {
  if (!(error instanceof Error) || !('status' in error) || error.status !== 400) return { param: null, code: null, message: '' };
  const { param, code, message } = error as Error & { param?: unknown; code?: unknown };
  return { param, code, message };
}

function toBody({ model, generation, withLogprobs }: Asking, { messages, tools }: PromptRow): Readonly<Record<string, unknown>> {
  const { temperature, maxTokens, seed } = generation;
  return {
    model: model.name, // on Azure the name of a deployment
    // Weights are of training, and refused here.
    messages: messages.map((message) => ({ ...message, weight: undefined })),
    tools: tools?.length === 0 ? undefined : tools,
    temperature,
    // Not `max_tokens`: it is deprecated, and reasoning models refuse it; both services take this one for all models.
    max_completion_tokens: maxTokens,
    seed,
    logprobs: withLogprobs ? true : undefined,
  };
}

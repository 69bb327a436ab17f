import type { Figures } from './train-model.ts';

/** What a container prints: a line of the engine, or an event of our program in it, without its number and its time. */
export type Printed = string | { readonly type: string };

/** The lines of a job's log. Events are JSON after a prefix, as `providers/huggingface/container/events.py` writes them. */
export function toLogLines(printed: readonly Printed[], atMs: number): string[] {
  const at = new Date(atMs).toISOString();
  return printed.map((one, i) => (typeof one === 'string' ? one : `orchestrate-event ${JSON.stringify({ n: i + 1, at, ...one })}`));
}

/** The events that tell of a training's figures. */
export function toFigureEvents(figures: readonly Figures[]): Printed[] {
  return figures.flatMap(({ step, steps, values: { epoch = null, ...values } }) => [
    { type: 'values-measured', step, epoch, values },
    { type: 'progress-made', step, steps, epoch, etaSeconds: null, loss: values['loss'] ?? null },
  ]);
}

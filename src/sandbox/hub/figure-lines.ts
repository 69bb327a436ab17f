import type { Figures } from './train-model.ts';

/** What a container prints: a line of the engine, or an event of our program in it, without its number and its time. */
export type Printed =
  | string
  | { readonly type: 'engine-started'; readonly engine: string; readonly task: string }
  | ({ readonly type: 'values-measured' } & Figures)
  | { readonly type: 'model-uploaded'; readonly repository: string }
  | { readonly type: 'training-failed'; readonly code: string; readonly message: string; readonly hint: string | null };

/** The lines of a job's log. Events are JSON after a prefix, as `providers/huggingface/container/events.py` writes them. */
export function formatLines(printed: readonly Printed[], atMs: number): string[] {
  const at = new Date(atMs).toISOString();
  const items = printed.flatMap((item): (string | object)[] =>
    typeof item === 'object' && item.type === 'values-measured' ? listFigureEvents(item) : [item],
  );
  return items.map((item, i) => (typeof item === 'string' ? item : `orchestrate-event ${JSON.stringify({ n: i + 1, at, ...item })}`));
}

function listFigureEvents({ step, steps, values: { epoch, ...values } }: Figures): object[] {
  return [
    { type: 'values-measured', step, epoch: epoch ?? null, values },
    { type: 'progress-made', step, steps, epoch: epoch ?? null, etaSeconds: null, loss: values['loss'] ?? null },
  ];
}

/** A training of AutoTrain that failed while its command ended with 0. */
export const hiddenFailureLines: readonly string[] = [
  'ERROR    | 2026-11-23 00:25:57 | autotrain.trainers.common:wrapper:215 - train has failed due to an exception: Traceback (most recent call last):',
  '  File "<site-packages>/autotrain/trainers/common.py", line 212, in wrapper',
  '    return func(*args, **kwargs)',
  'RuntimeError: CUDA is required but not available for bitsandbytes.',
  '',
  'ERROR    | 2026-11-23 00:25:57 | autotrain.trainers.common:wrapper:216 - CUDA is required but not available for bitsandbytes.',
  'INFO     | 2026-11-23 00:26:05 | autotrain.parser:run:229 - Job ID: 11017',
];

import type { Figures, JobTask } from './train-model.ts';

/** What a container prints: a line of the engine, or an event of our program in it. */
export type Printed =
  | string
  | { readonly type: 'engine-started'; readonly engine: string; readonly task: string }
  | ({ readonly type: 'values-measured' } & Figures)
  | { readonly type: 'model-uploaded'; readonly repository: string }
  | { readonly type: 'training-failed'; readonly code: string; readonly message: string; readonly hint: string | null };

interface Program {
  /** Null: none was started. */
  readonly engine: JobTask['engine'] | null;
  readonly atMs: number;
}

/** The lines of a job's log. */
export function formatLines(printed: readonly Printed[], program: Program): string[] {
  return printed.flatMap((item) => (typeof item === 'string' ? item : formatEvent(item, program)));
}

function formatEvent(event: Exclude<Printed, string>, { engine, atMs }: Program): string[] {
  switch (event.type) {
    case 'engine-started':
      return [`orchestrate: running ${event.engine} for ${event.task}`];
    case 'values-measured':
      return formatFigures(engine, event, atMs);
    case 'model-uploaded':
      return [`orchestrate: the model is in ${event.repository}`];
    case 'training-failed':
      if (event.code === 'request-refused') return ['orchestrate: this attempt is claimed already: nothing is trained'];
      return engine === null ? [] : ['orchestrate: the engine ended with status 1'];
  }
}

/** Figures as an engine prints them: AutoTrain twice, full and rounded, the others once, as quoted text of four digits. */
function formatFigures(engine: Program['engine'], { step, steps, values }: Figures, atMs: number): string[] {
  const bar = formatProgressBar(step, steps);
  const all = Object.entries(values);
  if (engine !== 'autotrain') return [`${bar}\r${formatDict(all.map(([name, value]) => [name, `'${formatShort(value)}'`]))}`];
  const time = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
  const full = formatDict(all.map(([name, value]) => [name, formatFloat(value)]));
  const rounded = formatDict(all.map(([name, value]) => [name, formatFloat(name === 'epoch' ? Number(value.toFixed(2)) : value)]));
  return [`${bar}INFO     | ${time} | autotrain.trainers.common:on_log:367 - ${full}`, rounded];
}

function formatDict(entries: readonly (readonly [string, string])[]): string {
  return `{${entries.map(([name, value]) => `'${name}': ${value}`).join(', ')}}`;
}

function formatShort(value: number): string {
  return formatFloat(Number(value.toPrecision(4))).replace(/\.0$/, '');
}

/** A float as Python writes it: whole ones keep their point, small ones have an exponent of two digits. */
function formatFloat(value: number): string {
  if (Number.isInteger(value)) return `${value}.0`;
  const text = Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function formatProgressBar(step: number, steps: number): string {
  const share = Math.min(1, step / steps);
  const bar = '█'.repeat(Math.floor(share * 10)).padEnd(10);
  return `\r${String(Math.floor(share * 100)).padStart(3)}%|${bar}| ${step}/${steps} [00:0${Math.min(9, Math.floor(share * 9))}<00:01, 10.00it/s]`;
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

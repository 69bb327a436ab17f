import type { GenerationSettings } from '../provider/context.ts';
import type { ModelRef } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import type { RunPlan } from '../run/event.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { ModelHome } from './model-cache.ts';

/** What of a run decides how its rows are asked, beside the model. */
export interface Asking {
  readonly task: RunSpec['task'];
  readonly prompt: RunSpec['prompt'];
  /** Of the training rows; none for a task without labels. */
  readonly labels: readonly string[];
  readonly generation: GenerationSettings;
  /** Rows that may be answered at once. */
  readonly concurrency: number;
}

/** A model with all that decides its answers. */
export interface Answerer {
  readonly provider: Provider;
  readonly model: ModelRef;
  readonly asking: Asking;
  /** Of a model in a repository. */
  readonly home?: ModelHome | undefined;
}

/** Where nobody says otherwise. */
export const defaultConcurrency = 8;

export function toAsking({ spec, facts }: Pick<RunPlan, 'spec' | 'facts'>): Asking {
  const { generation, concurrency } = spec.evaluation;
  return { task: spec.task, prompt: spec.prompt, labels: facts.labels, generation, concurrency: concurrency ?? defaultConcurrency };
}

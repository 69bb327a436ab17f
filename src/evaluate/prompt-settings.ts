import type { GenerationSettings } from '../provider/context.ts';
import type { ModelRef } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import type { RunPlan } from '../run/event.ts';
import type { RunSpec } from '../job/run-spec.ts';
import type { ModelCache } from './model-cache.ts';

/** What of a run decides how its rows are asked, beside the model. */
export interface PromptSettings {
  readonly task: RunSpec['task'];
  readonly prompt: RunSpec['prompt'];
  /** Of the training rows; none for a task without labels. */
  readonly labels: readonly string[];
  readonly generation: GenerationSettings;
  /** Rows that may be answered at once. */
  readonly concurrency: number;
}

/** A model with all that decides its answers. */
export interface ModelClient {
  readonly provider: Provider;
  readonly model: ModelRef;
  readonly settings: PromptSettings;
  /** Of a model in a repository. */
  readonly cache?: ModelCache | undefined;
}

/** Where nobody says otherwise. */
export const defaultConcurrency = 8;

export function getPromptSettings({ spec, facts }: Pick<RunPlan, 'spec' | 'facts'>): PromptSettings {
  const { generation, concurrency } = spec.evaluation;
  return { task: spec.task, prompt: spec.prompt, labels: facts.labels, generation, concurrency: concurrency ?? defaultConcurrency };
}

import type { Method } from './training-file.ts';

export interface Hyperparameters {
  readonly n_epochs: number;
  readonly batch_size: number;
  readonly learning_rate_multiplier: number;
  readonly beta?: number;
}

/** As they are asked for: absent is `auto`. */
export type AskedHyperparameters = { readonly [name in keyof Hyperparameters]?: number | 'auto' };

/** Numbers for what was left to the service, by the rules of thumb that it is known for. */
export function resolveHyperparameters(asked: AskedHyperparameters, examples: number, method: Method): Hyperparameters {
  const pick = (value: number | 'auto' | undefined, automatic: number): number =>
    value === undefined || value === 'auto' ? automatic : value;
  return {
    n_epochs: pick(asked.n_epochs, Math.min(25, Math.max(3, Math.ceil(100 / Math.max(examples, 1))))),
    batch_size: pick(asked.batch_size, Math.min(256, Math.max(1, Math.ceil(examples * 0.002)))),
    learning_rate_multiplier: pick(asked.learning_rate_multiplier, method === 'dpo' ? 1 : 2),
    ...(method === 'dpo' ? { beta: pick(asked.beta, 0.1) } : {}),
  };
}

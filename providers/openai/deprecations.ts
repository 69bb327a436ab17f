import type { Deprecation } from '../../src/provider/service.ts';
import type { Dialect } from './dialect.ts';
import ends from './deprecations.json' with { type: 'json' };

/** What the file says of a model: the day on which it, and what was tuned from it, is switched off; `ended`, of days before the file's. */
interface KnownModel {
  readonly ends?: string;
  readonly ended?: string;
  /** What it can learn by; absent where nobody says. */
  readonly methods?: readonly string[];
}

function findModel(dialect: Dialect, model: string): KnownModel | null {
  const models: Readonly<Record<string, KnownModel>> = ends[dialect.id].models;
  const base = dialect.toBaseName(model);
  return Object.hasOwn(models, base) ? models[base]! : null;
}

/** When a model, base or tuned, is switched off, from the file that comes with the program; null: it does not know. */
export function getDeprecation(dialect: Dialect, model: string): Deprecation | null {
  const known = findModel(dialect, model);
  const date = known?.ends ?? known?.ended;
  return date === undefined ? null : { date, source: ends[dialect.id].source, asOf: ends.asOf };
}

/** Whether a base model is one that can be tuned, as far as the file knows. */
export function isTunable(dialect: Dialect, model: string): boolean {
  const known = findModel(dialect, model);
  return known !== null && known.ended === undefined && known.methods?.length !== 0;
}

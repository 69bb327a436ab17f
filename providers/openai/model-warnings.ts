import type { Note } from '../../src/provider/note.ts';
import type { Dialect } from './dialect.ts';
import ends from './deprecations.json' with { type: 'json' };
import type { Method } from './request.ts';

interface ModelEnd {
  /** The day from which the service does not train it any more, at the earliest. */
  readonly trains?: string;
  /** What it can learn by, where that is known. */
  readonly methods?: readonly Method['type'][];
}

interface Deprecations {
  readonly source: string;
  readonly closed: string;
  readonly models: Readonly<Record<string, ModelEnd>>;
}

const services: Readonly<Record<Dialect['id'], Deprecations>> = { openai: ends.openai, azure: ends.azure } as Record<
  Dialect['id'],
  Deprecations
>;

/** What is known of training a base model; when it ends is told by `toEnd`. The service decides: nothing here refuses a model. */
export function toModelWarnings(dialect: Dialect, model: string, method: Method['type']): Note[] {
  const { source, closed, models } = services[dialect.id];
  const base = dialect.toBaseName(model);
  const known = Object.hasOwn(models, base) ? models[base] : undefined;
  return [...toBaseWarnings(base, known, models, method), `${dialect.name}: ${closed}`].map((message) => ({
    type: 'warning',
    message: `${message} (${source}, as of ${ends.asOf})`,
  }));
}

function toBaseWarnings(base: string, known: ModelEnd | undefined, models: Deprecations['models'], method: Method['type']): string[] {
  if (known === undefined) {
    const dated = Object.keys(models).find((name) => name.replace(/-\d{4}-\d\d-\d\d$/, '') === base);
    if (dated === undefined) return [`the model ${JSON.stringify(base)} is not known to be one that can be tuned`];
    return [`the model ${JSON.stringify(base)} has no date in its name, which the service refuses: give ${JSON.stringify(dated)}`];
  }
  return [
    ...(known.methods?.includes(method) !== false
      ? []
      : [`the model ${JSON.stringify(base)} is not known to learn by the method "${method}"`]),
    ...(known.trains === undefined ? [] : [`${JSON.stringify(base)} may not be trained any more from ${known.trains} on`]),
  ];
}

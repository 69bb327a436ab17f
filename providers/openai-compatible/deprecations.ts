import type { Note } from '../../src/provider/note.ts';
import type { Deprecation } from '../../src/provider/service.ts';
import type { Api } from './client.ts';
import type { KnownModel, MethodType } from './config.ts';

function findModel({ config, getBaseName }: Api, model: string): KnownModel | null {
  const models = config.deprecations?.models ?? {};
  const base = getBaseName(model);
  return Object.hasOwn(models, base) ? models[base]! : null;
}

/** When a model, base or tuned, is switched off, as far as that was published; null: nobody has said it. */
export function getDeprecation(api: Api, model: string): Deprecation | null {
  const known = findModel(api, model);
  const date = known?.ends ?? known?.ended;
  const { source, asOf } = api.config.deprecations ?? { source: '', asOf: null };
  return date === undefined ? null : { date, source, asOf };
}

/** Whether a base model is known to be one that can be tuned. */
export function isTunable(api: Api, model: string): boolean {
  const known = findModel(api, model);
  return known !== null && known.ended === undefined && known.methods?.length !== 0;
}

/** Warnings about training a base model; `getDeprecation` says when it ends. The service decides: nothing here refuses a model. */
export function noteModel(api: Api, model: string, method: MethodType): Note[] {
  const { name, deprecations: table } = api.config;
  if (table === undefined) return [];
  const known = findModel(api, model);
  const base = JSON.stringify(api.getBaseName(model));
  const messages = [
    ...(known === null ? [explainUnknown(api, model)] : []),
    ...(known?.methods?.includes(method) === false ? [`the model ${base} is not known to learn by the method "${method}"`] : []),
    ...(known?.trains === undefined ? [] : [`${base} can no longer be trained from ${known.trains} on`]),
    ...(table.closed === undefined ? [] : [`${name}: ${table.closed}`]),
  ];
  return messages.map((message) => ({ type: 'warning', message: `${message} (${table.source}, as of ${table.asOf})` }));
}

function explainUnknown({ config, getBaseName }: Api, model: string): string {
  const base = getBaseName(model);
  const dated = Object.keys(config.deprecations?.models ?? {}).find((name) => name.replace(/-\d{4}-\d\d-\d\d$/, '') === base);
  if (dated === undefined) return `the model ${JSON.stringify(base)} is not known to be one that can be tuned`;
  return `the model ${JSON.stringify(base)} has no date in its name, which the service refuses: give ${JSON.stringify(dated)}`;
}

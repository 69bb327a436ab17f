import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import type { Dialect } from './dialect.ts';

/** An existing model, by the name that requests call it. */
export function toEndpointModel(dialect: Dialect, name: string, context: Context): EndpointModel {
  const baseUrl = dialect.getBaseUrl(context);
  return { kind: 'endpoint', identity: `${baseUrl} ${name}`, location: baseUrl, name, base: dialect.toBaseName(name) };
}

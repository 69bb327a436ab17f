import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import type { Dialect } from './dialect.ts';

/** An existing model, by the name that requests call it. */
export function toEndpoint(dialect: Dialect, name: string, c: Context): EndpointModel {
  const place = dialect.toPlace(c);
  return { kind: 'endpoint', identity: `${place} ${name}`, place, name, base: dialect.toBaseName(name) };
}

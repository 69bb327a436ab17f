import type { Context } from '../../src/provider/context.ts';
import { isFailure } from '../../src/errors.ts';
import type { Dialect } from './dialect.ts';
import { readPages, type WireItem } from './read-pages.ts';

/**
 * The events or checkpoints of a job as the service wrote them, oldest first; null where the service has no such list: gateways lack the
 * route, or answer it with the job itself.
 * @throws Failure where it could not be asked
 */
export async function readHistory(dialect: Dialect, path: string, context: Context): Promise<readonly WireItem[] | null> {
  const items: WireItem[] = [];
  try {
    for await (const item of readPages(dialect, path, context)) items.push(item);
  } catch (error) {
    if (!isFailure(error, 'request-refused')) throw error;
    return null;
  }
  return items.toReversed();
}

import type OpenAI from 'openai';
import type { Context } from '../../src/provider/context.ts';
import type { ClientOptions } from './client.ts';
import type { Dialect } from './dialect.ts';
import { toServiceFailure, toTelling } from './failures.ts';

/**
 * Asks the service; whatever goes wrong is thrown as a Failure.
 * @param call for messages, such as `GET /models`
 */
export async function callService<T>(
  { dialect, call, ...options }: ClientOptions & { dialect: Dialect; call: string },
  c: Context,
  use: (client: OpenAI) => Promise<T>,
): Promise<T> {
  const client = await dialect.openClient(c, options);
  try {
    return await use(client);
  } catch (error) {
    throw toServiceFailure(error, toTelling(dialect, c, call));
  }
}

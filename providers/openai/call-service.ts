import type OpenAI from 'openai';
import type { Context } from '../../src/provider/context.ts';
import type { ClientOptions } from './client.ts';
import type { Dialect } from './dialect.ts';
import { toServiceFailure, toRequestInfo } from './failures.ts';

/**
 * Asks the service; whatever goes wrong is thrown as a Failure.
 * @param call for messages, such as `GET /models`
 */
export async function callService<T>(
  { dialect, call, ...options }: ClientOptions & { dialect: Dialect; call: string },
  context: Context,
  use: (client: OpenAI) => Promise<T>,
): Promise<T> {
  const client = await dialect.openClient(context, options);
  try {
    return await use(client);
  } catch (error) {
    throw toServiceFailure(error, toRequestInfo(dialect, context, call));
  }
}

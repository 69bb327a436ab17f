import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { Check } from '../../src/provider/provider.ts';
import { isFailure } from '../../src/errors.ts';
import { callService } from './call-service.ts';
import { toSecrets, type Dialect } from './dialect.ts';
import { parseAnswer } from './upload.ts';

const Models = z.looseObject({ data: z.array(z.unknown()) });

/** Whether the service answers with this key; lists models, which costs nothing. Without a key nothing is asked. */
export async function check(dialect: Dialect, context: Context): Promise<Check[]> {
  const name = dialect.name;
  if (toSecrets(dialect, context).length === 0) {
    // No fault: most people use some services only.
    return [{ name, ok: true, found: `not set up: ${dialect.keyNames.join(' and ')} not set`, hint: null }];
  }
  try {
    const call = 'GET /models';
    const { data } = await callService({ dialect, call, deadlineMs: 15_000 }, context, async (client) =>
      parseAnswer(Models, await client.get<unknown>('/models'), call),
    );
    return [{ name, ok: true, found: `the key works at ${dialect.getBaseUrl(context)}, ${data.length} models`, hint: null }];
  } catch (error) {
    if (!isFailure(error)) throw error;
    return [{ name, ok: false, found: error.message, hint: error.hint }];
  }
}

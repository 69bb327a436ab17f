import { z } from 'zod';
import { Failure, isFailure } from '../../src/errors.ts';
import { explain } from './failures.ts';
import type { Hub } from './client.ts';
import { autotrainModelTypes } from './engine.ts';
import { isNotFound } from './repositories.ts';
import type { HubRequest } from './request.ts';

const Config = z.looseObject({ model_type: z.string().nullish() });

/**
 * Reads the base model's configuration before anything is made: a model that is not there, that this token may not read, or that the engine is
 * too old for costs machine time otherwise.
 * @throws Failure `model-unavailable`, `credentials-invalid`, `job-file-invalid`
 */
export async function checkModel(hub: Hub, { engine, model: { base, revision } }: HubRequest): Promise<void> {
  const path = `/${base}/resolve/${encodeURIComponent(revision ?? 'main')}/config.json`;
  const json = await hub.call(`GET ${path}`, async () => {
    try {
      return (await hub.request('GET', path)).json;
    } catch (error) {
      throw toModelFailure(error, base, revision);
    }
  });
  const { model_type: type } = Config.safeParse(json).data ?? {};
  if (engine !== 'autotrain' || type == null || autotrainModelTypes.has(type)) return;
  throw new Failure(
    'job-file-invalid',
    `${base}: expected a model that the transformers 4.48 of AutoTrain knows, found the type "${type}"`,
    {
      hint: 'set options.engine to "transformers" for labels, or to "trl" for chats',
    },
  );
}

function toModelFailure(error: unknown, base: string, revision: string | null): unknown {
  const name = revision === null ? base : `${base}@${revision}`;
  if (isNotFound(error)) {
    return new Failure('model-unavailable', `${name}: expected a model of the Hub with a config.json, found none that this token may see`);
  }
  if (isFailure(error, 'credentials-invalid')) {
    return new Failure('credentials-invalid', `${name}: ${explain(error).message}`, {
      hint: `gated models want an agreement at the model's page, and a token that may read them`,
    });
  }
  return error;
}

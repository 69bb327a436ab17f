import { refuse, toAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import { toSeconds } from './clock.ts';
import { toRoot } from './create-job.ts';
import { advanceAll } from './jobs.ts';

const bornMs = Date.UTC(2025, 3, 14);

export function listModels(call: Call): Answer {
  return toAnswer({ object: 'list', data: toModels(call) });
}

export function retrieveModel(call: Call): Answer {
  const id = call.params['id']!;
  return toAnswer(toModels(call, true).find((model) => model.id === id) ?? refuseModel(id));
}

export function deleteModel(call: Call): Answer {
  const id = call.params['id']!;
  advanceAll(call.account, call.nowMs);
  if (!call.account.models.delete(id)) refuseModel(id);
  return toAnswer({ id, object: 'model', deleted: true });
}

export function refuseModel(id: string): never {
  return refuse(404, `The model \`${id}\` does not exist or you do not have access to it.`, { code: 'model_not_found' });
}

interface WireModel {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
  readonly shutdown_date: string | null;
}

/** The bases and the account's own; a tuned model goes with its base. */
function toModels({ account, dialect, nowMs }: Call, withCheckpoints = false): WireModel[] {
  advanceAll(account, nowMs);
  const dates = new Map(dialect.bases.map(({ id, shutdownDate }) => [id, shutdownDate]));
  const toWire = (id: string, createdMs: number, owner: string): WireModel => ({
    id,
    object: 'model',
    created: toSeconds(createdMs),
    owned_by: owner,
    shutdown_date: dates.get(toRoot(account, id)) ?? null,
  });
  const own = [...account.models.values()].filter((model) => model.dialect.id === dialect.id && (withCheckpoints || !model.isCheckpoint));
  return [
    ...dialect.bases.map(({ id }) => toWire(id, bornMs, 'system')),
    ...own.map(({ id, createdMs }) => toWire(id, createdMs, 'org-sandbox')),
  ];
}

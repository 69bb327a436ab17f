import type { Context } from '../../src/provider/context.ts';
import type { RepositoryModel } from '../../src/provider/model.ts';
import { toEndpoint } from './endpoint.ts';
import type { HubRequest } from './request.ts';

/**
 * The model that a classifier begins with, under a new head; null for one that writes text, and where the job names no commit: a branch may
 * move, and its answers would not be comparable.
 */
export function baseModel({ task, model, labels, maxLength }: HubRequest, c: Context): RepositoryModel | null {
  const { base, revision } = model;
  if (task !== 'text-classification' || revision === null || !/^[0-9a-f]{40}$/.test(revision)) return null;
  const place = toEndpoint(c);
  return {
    kind: 'repository',
    identity: `${place} ${base}@${revision} with a new head`,
    place,
    repository: base,
    revision,
    labels,
    maxLength,
  };
}

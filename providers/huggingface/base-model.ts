import type { Context } from '../../src/provider/context.ts';
import type { RepositoryModel } from '../../src/provider/model.ts';
import { parseEndpoint } from './endpoint.ts';
import type { HubRequest } from './request.ts';

/**
 * The model that a classifier begins with, under a new head; null for one that writes text, and where the job names no commit: a branch may
 * move, and its answers would not be comparable.
 */
export function baseModel({ task, model, labels, maxLength }: HubRequest, context: Context): RepositoryModel | null {
  const { base, revision } = model;
  if (task !== 'text-classification' || revision === null || !/^[0-9a-f]{40}$/.test(revision)) return null;
  const location = parseEndpoint(context);
  return {
    kind: 'repository',
    identity: `${location} ${base}@${revision} with a new head`,
    location,
    repository: base,
    revision,
    labels,
    maxLength,
  };
}

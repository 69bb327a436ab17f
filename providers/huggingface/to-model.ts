import type { Context } from '../../src/provider/context.ts';
import type { RepositoryModel } from '../../src/provider/model.ts';
import { Failure } from '../../src/errors.ts';
import { parseEndpoint } from './endpoint.ts';

const longest = 512;

/**
 * A model of the Hub by its name and commit: `hub:owner/name@<commit>`. Its labels are read once it is downloaded.
 * @throws Failure `configuration-invalid`
 */
export function toModel(name: string, context: Context): RepositoryModel {
  const [, repository, revision] = /^(?:hub:)?([\w.-]+\/[\w.-]+)@([0-9a-f]{40})$/.exec(name) ?? [];
  if (repository === undefined || revision === undefined) {
    throw new Failure(
      'configuration-invalid',
      `expected a model of the Hub at a commit, such as hub:owner/name@<40 digits>, found "${name}"`,
      {
        hint: 'a branch may move: its answers would not be comparable; the commit stands on the page of the files of the model',
      },
    );
  }
  const location = parseEndpoint(context);
  return {
    kind: 'repository',
    identity: `${location} ${repository}@${revision}`,
    location,
    repository,
    revision,
    labels: [],
    maxLength: longest,
  };
}

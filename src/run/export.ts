import { Failure } from '../errors.ts';
import type { Provider, Published } from '../provider/provider.ts';
import { toRunId } from './record.ts';
import type { StoredRun } from './run-store.ts';
import type { Workspace } from './workspace.ts';

export interface ExportOptions {
  /** `hub:owner/name`. */
  readonly push: string;
  /** Whether everybody may read a repository that is made for it; absent: nobody else may. */
  readonly isPublic?: boolean | undefined;
  /** Whether other files of the repository may be replaced. */
  readonly replace?: boolean | undefined;
}

/** Where the model of a run is now. */
export interface Exported extends Published {
  /** The run's address. */
  readonly run: string;
}

/**
 * Puts the tuned model of a run, which is on this machine, into a repository. Repeatable.
 * @throws Failure `usage` for a name that is none, a model elsewhere, several runs, or a repository with other files; `run-not-found` where there
 *   is no model yet
 */
export async function exportModel(
  { context }: Pick<Workspace, 'context'>,
  runs: readonly StoredRun[],
  { providers, push, isPublic = false, replace = false }: ExportOptions & { readonly providers: Iterable<Provider> },
): Promise<Exported> {
  const repository = /^hub:([\w.-]+\/[\w.-]+)$/.exec(push)?.[1];
  if (repository === undefined) throw new Failure('usage', `--push: expected a name such as hub:owner/name, found "${push}"`);
  const publish = [...providers].find(({ account }) => account?.publish !== undefined)?.account?.publish;
  if (publish === undefined) throw new Failure('usage', 'expected a provider with repositories, found none');
  const [run, ...others] = runs as [StoredRun, ...StoredRun[]];
  const id = toRunId(run.record);
  if (others.length > 0) {
    const names = runs.map(({ record }) => toRunId(record)).join(', ');
    throw new Failure('usage', `expected one run, found ${names}`, { hint: 'name one of them' });
  }
  const artifact = run.record.artifacts[0];
  if (artifact === undefined) {
    throw new Failure('run-not-found', `${id} has no tuned model yet`, { hint: `\`orchestrate wait ${id}\` waits for it` });
  }
  if (artifact.model.kind !== 'folder') throw new Failure('usage', `${id}: expected a model on this machine, found ${artifact.uri}`);
  return { run: id, ...(await publish(artifact.model.path, { repository, isPrivate: !isPublic, replaces: replace }, context)) };
}

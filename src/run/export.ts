import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Failure } from '../errors.ts';
import { quoteWord } from '../lib/text.ts';
import type { Provider, Published } from '../provider/provider.ts';
import { writeGguf, type WrittenGguf } from '../trainer/gguf/index.ts';
import { getOnlyRun } from './find-runs.ts';
import { findModelFolder } from './merge-model.ts';
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
  const run = getOnlyRun(runs);
  const id = toRunId(run.record);
  const artifact = run.record.artifacts[0];
  if (artifact === undefined) {
    throw new Failure('run-not-found', `${id} has no tuned model yet`, { hint: `\`orchestrate wait ${id}\` waits for it` });
  }
  if (artifact.model.kind !== 'folder') throw new Failure('usage', `${id}: expected a model on this machine, found ${artifact.uri}`);
  return { run: id, ...(await publish(artifact.model.path, { repository, isPrivate: !isPublic, replaces: replace }, context)) };
}

export interface ExportFileOptions {
  readonly format: 'gguf';
  /** The file to write; it must not be there. Absent: in the current folder, called like the model. */
  readonly out?: string | undefined;
}

/** A model in one file. */
export interface ExportedFile extends WrittenGguf {
  /** An absolute path. */
  readonly path: string;
}

/**
 * Writes the model of a run on this machine, or of a folder, as one file. What a training has learned in matrices of its own is merged into
 * the model of a run already.
 * @throws Failure `usage` for a file that is there, or the folder of an adapter; `run-not-found`; and of `writeGguf`
 */
export async function exportFile(workspace: Pick<Workspace, 'store'>, source: string, { out }: ExportFileOptions): Promise<ExportedFile> {
  if (existsSync(join(source, 'adapter_config.json'))) {
    throw new Failure('usage', `expected a whole model, found an adapter: ${source}`, {
      hint: `\`orchestrate merge ${quoteWord(source)} --out FOLDER\` makes one model of it and its base model`,
    });
  }
  const isFolder = existsSync(join(source, 'config.json')) || /^[./~]/.test(source); // a folder may be called like a job
  const folder = isFolder ? resolve(source) : await findModelFolder(workspace, source);
  const name = isFolder ? basename(folder) : source.replaceAll(/[^\w.-]+/g, '-');
  const path = resolve(out ?? `${name}-f16.gguf`);
  if (existsSync(path)) throw new Failure('usage', `expected a new file, found one: ${path}`, { hint: 'name another one with --out' });
  return { path, ...(await writeGguf({ folder, name }, path)) };
}

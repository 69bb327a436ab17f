import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Attempt } from '../../src/provider/context.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import { writeTrainingFile, type TrainingFile } from '../../src/provider-kit/training-file.ts';
import { readNamespace } from './account.ts';
import { autotrainModelTypes } from './engine.ts';
import { openHub, type Hub } from '../../src/provider-kit/hub.ts';
import { formatDatasetName, formatModelName } from './names.ts';
import { listFiles, type Repository } from '../../src/provider-kit/hub-files.ts';
import { commitFiles, hasFiles, makeRepository, readCommit, type NewFile } from './repositories.ts';
import type { HubRequest, Prepared } from './request.ts';
import { formatDatasetCard, toLine } from './rows.ts';

/**
 * Brings the rows into a private repository that is named by their content, and makes an empty one for the model. Rows that are there already
 * are used again once every file was compared.
 */
export async function prepare(request: HubRequest, context: Attempt): Promise<Prepared> {
  context.signal.throwIfAborted();
  const hub = openHub(context);
  const namespace = await readNamespace(hub, request.namespace, context);
  await checkModel(hub, request);
  const write = async (part: 'train' | 'validation'): Promise<TrainingFile> =>
    await writeTrainingFile(join(context.workDir, `${part}.jsonl`), context.readRows(part), (row) => toLine(row, request.rows));
  const train = await write('train');
  const validation = context.facts.validation === null ? null : await write('validation');
  const files: NewFile[] = [
    { path: 'README.md', content: { text: formatDatasetCard(request.rows, { train, validation }) } },
    { path: 'train.jsonl', content: toContent(train) },
    ...(validation === null ? [] : [{ path: 'validation.jsonl', content: toContent(validation) }]),
  ];
  const dataset: Repository = { type: 'dataset', name: `${namespace}/${formatDatasetName(hashFiles(files, request.private))}` };
  const revision = await bringFiles(hub, dataset, { files, isPrivate: request.private }, context);
  const output = `${namespace}/${formatModelName(request.name, context.key, context.attempt)}`;
  await makeRepository(hub, { type: 'model', name: output }, request.private);
  return { endpoint: hub.endpoint, namespace, dataset: { repo: dataset.name, revision, hasValidation: validation !== null }, output };
}

function toContent({ path, sha256, bytes }: TrainingFile): NewFile['content'] {
  return { file: path, sha256, bytes };
}

/** Private and public copies of the same rows have different names, so that a later run cannot make private rows public. */
function hashFiles(files: readonly NewFile[], isPrivate: boolean): string {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  const parts = files.map(({ path, content }) => [path, 'text' in content ? hash(content.text) : content.sha256]);
  return hash(JSON.stringify([isPrivate, ...parts]));
}

/** The commit of a repository that has these files and no others. */
async function bringFiles(
  hub: Hub,
  repo: Repository,
  { files, isPrivate }: { readonly files: readonly NewFile[]; readonly isPrivate: boolean },
  context: Attempt,
): Promise<string> {
  const present = await readCommit(hub, repo);
  if (present !== null && (await hasFiles((await listFiles(hub, repo, present)) ?? [], files))) return present;
  if (present === null) await makeRepository(hub, repo, isPrivate);
  return await commitFiles(hub, repo, { title: 'Rows for a training', files }, context.signal);
}

const Config = z.looseObject({ model_type: z.string().nullish() }).catch({});

/**
 * Reads the base model's configuration before anything is made: a model that does not exist, that this token may not read, or that the engine
 * is too old for costs machine time otherwise.
 * @throws Failure `model-unavailable`, `credentials-invalid`, `job-file-invalid`
 */
async function checkModel(hub: Hub, { engine, model: { base, revision } }: HubRequest): Promise<void> {
  const path = `/${base}/resolve/${encodeURIComponent(revision ?? 'main')}/config.json`;
  const { model_type: type } = await hub.read(Config, path).catch((error: unknown) => {
    throw explainModel(error, revision === null ? base : `${base}@${revision}`);
  });
  if (engine !== 'autotrain' || type == null || autotrainModelTypes.has(type)) return;
  const message = `${base}: expected a model that the transformers 4.48 of AutoTrain knows, found the type "${type}"`;
  throw new Failure('job-file-invalid', message, { hint: 'set options.engine to "transformers" for labels, or to "trl" for chats' });
}

function explainModel(error: unknown, name: string): unknown {
  if (isRefusedWith(error, 404)) {
    return new Failure('model-unavailable', `${name}: expected a model of the Hub with a config.json, found none that this token may see`);
  }
  if (isFailure(error, 'credentials-invalid')) {
    return new Failure('credentials-invalid', `${name}: ${error.message}`, {
      hint: `gated models want an agreement at the model's page, and a token that may read them`,
    });
  }
  return error;
}

import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { FolderModel, RepositoryModel } from '../../src/provider/model.ts';
import { Failure, toFileFailure } from '../../src/errors.ts';
import { eventsFile } from './container.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { copyHubFile, listFiles } from '../../src/provider-kit/hub-files.ts';
import type { HubRequest } from './request.ts';

const usualMaxLength = 512;

/**
 * A model of the Hub by its name and commit: `hub:owner/name@<commit>`. Its labels are read once it is downloaded.
 * @throws Failure `configuration-invalid`
 */
export function getModel(name: string, context: Context): RepositoryModel {
  const [, repository, revision] = /^(?:hub:)?([\w.-]+\/[\w.-]+)@([0-9a-f]{40})$/.exec(name) ?? [];
  if (repository !== undefined && revision !== undefined) {
    const location = parseEndpoint(context);
    const identity = `${location} ${repository}@${revision}`;
    return { kind: 'repository', identity, location, repository, revision, labels: [], maxLength: usualMaxLength };
  }
  const message = `expected a model of the Hub at a commit, such as hub:owner/name@<40 digits>, found "${name}"`;
  throw new Failure('configuration-invalid', message, {
    hint: "a branch may move, so that answers would not be comparable; the commit is on the page of the model's files",
  });
}

/**
 * The model that a classifier begins with, under a new head; null for one that writes text, and where the job names no commit: a branch may
 * move, and its answers would not be comparable.
 */
export function baseModel({ task, model, labels, maxLength }: HubRequest, context: Context): RepositoryModel | null {
  const { base, revision } = model;
  if (task !== 'text-classification' || revision === null || !/^[0-9a-f]{40}$/.test(revision)) return null;
  const location = parseEndpoint(context);
  const identity = `${location} ${base}@${revision} with a new head`;
  return { kind: 'repository', identity, location, repository: base, revision, labels, maxLength };
}

/** Files of a model that are not needed to answer: pickled settings, checkpoints and our own record. */
const unwanted = /^(?:\.gitattributes|training_args\.bin|.*\.(?:pt|pth))$/;

/**
 * Copies a model into a folder. Each file is compared with the hash that the Hub lists; files that are there already are kept.
 * @throws Failure `response-invalid` for other bytes than those of the list, `model-invalid` for a repository without weights
 */
export async function download(model: RepositoryModel, folder: string, context: Context): Promise<FolderModel> {
  const { repository, revision } = model;
  const endpoint = parseEndpoint(context);
  if (model.location !== endpoint && !model.location.startsWith(`${endpoint}/`)) {
    const message = `Hugging Face: expected the address of ${repository}, ${model.location}, found ${endpoint}`;
    throw new Failure('configuration-invalid', message, { hint: 'set HF_ENDPOINT as it was when the model was made' });
  }
  const listed = (await listFiles(openHub(context), { type: 'model', name: repository }, revision)) ?? [];
  const files = listed.filter(({ path }) => !/[/\\]/.test(path) && !unwanted.test(path) && path !== eventsFile);
  if (!files.some(({ path }) => /\.(?:safetensors|bin)$/.test(path))) {
    const message = `${repository}@${revision}: expected a model with weights, found none that this token may see`;
    throw new Failure('model-invalid', message);
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the model', folder);
  });
  for (const file of files) {
    context.signal.throwIfAborted();
    const path = join(folder, file.path);
    if (!(await isFile(path))) await copyHubFile(model, { file, path }, context);
  }
  const labels = model.labels.length > 0 ? model.labels : await readLabels(join(folder, 'config.json'));
  return { kind: 'folder', identity: model.identity, path: folder, labels, seed: 0, maxLength: model.maxLength };
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}

const Config = z.looseObject({ id2label: z.record(z.string(), z.string()) });

/** The labels of a classifier in the order of its outputs; none where the configuration names none. */
async function readLabels(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '{}');
  try {
    const { id2label } = Config.parse(JSON.parse(text));
    return Object.entries(id2label)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, label]) => label);
  } catch {
    return [];
  }
}

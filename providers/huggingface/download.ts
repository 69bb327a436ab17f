import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { FolderModel, RepositoryModel } from '../../src/provider/model.ts';
import { Failure, toFileFailure } from '../../src/errors.ts';
import { toAnswerFailure } from './answer-failure.ts';
import { openHub } from './client.ts';
import { parseEndpoint } from './endpoint.ts';
import { toFilePath } from './model-files.ts';
import { listFiles, type HubFile } from './repositories.ts';

/** Of a model's folder; pickled settings and checkpoints are not needed to answer. */
const unwanted = /^(?:\.gitattributes|training_args\.bin|.*\.(?:pt|pth))$/;
const slowestBytesPerSecond = 256 * 1024;

/**
 * Brings a model into a folder: each file is written under another name, compared with the hash that the Hub lists, and renamed. Files that are
 * there already are kept.
 * @throws Failure `response-invalid` for bytes that are not those of the list, `model-invalid` for a repository without weights
 */
export async function download(model: RepositoryModel, folder: string, context: Context): Promise<FolderModel> {
  const endpoint = parseEndpoint(context);
  if (model.location !== endpoint && !model.location.startsWith(`${endpoint}/`)) {
    throw new Failure(
      'configuration-invalid',
      `Hugging Face: expected the address of ${model.repository}, ${model.location}, found ${endpoint}`,
      {
        hint: 'set HF_ENDPOINT as it was when the model was made',
      },
    );
  }
  const listed = await listFiles(openHub(context), { type: 'model', name: model.repository }, model.revision);
  const files = (listed ?? []).filter(({ path }) => !path.includes('/') && !path.includes('\\') && !unwanted.test(path));
  if (!files.some(({ path }) => /\.(?:safetensors|bin)$/.test(path))) {
    throw new Failure(
      'model-invalid',
      `${model.repository}@${model.revision}: expected a model with weights, found none that this token may see`,
    );
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the model', folder);
  });
  for (const file of files) {
    context.signal.throwIfAborted();
    const path = join(folder, file.path);
    if (!(await isThere(path))) await bring(model, { file, path }, context);
  }
  const labels = model.labels.length > 0 ? model.labels : await readLabels(join(folder, 'config.json'));
  return { kind: 'folder', identity: model.identity, path: folder, labels, seed: 0, maxLength: model.maxLength };
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function bring(model: RepositoryModel, { file, path }: { file: HubFile; path: string }, context: Context): Promise<void> {
  const partial = `${path}.partial`;
  try {
    const found = await fetchFile(model, { file, partial }, context);
    const expected = file.sha256 ?? file.oid;
    if (found !== expected) {
      throw new Failure(
        'response-invalid',
        `${model.repository}/${file.path}: expected the bytes of ${expected}, found those of ${found}`,
        {
          hint: 'download it again; what came was deleted',
        },
      );
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw toFileFailure(error, 'file of the model', path);
  }
}

/** Writes a file and gives its hash. The Hub sends large files from another address, which is given no credential. */
async function fetchFile(model: RepositoryModel, { file, partial }: { file: HubFile; partial: string }, context: Context): Promise<string> {
  const { size } = file;
  const hub = openHub(context, { body: 'stream', deadlineMs: 60_000 + (size / slowestBytesPerSecond) * 1000, maxBodyBytes: size + 65_536 });
  const address = toFilePath(model, file.path);
  return await hub.call(`GET ${address}`, async () => {
    const response = await hub.send(address);
    if (!response.ok) throw toAnswerFailure(response.status, await response.text(), `GET ${address}`);
    const hash = startHash(file);
    await using target = await open(partial, 'w', 0o644).catch((error: unknown) => {
      throw toFileFailure(error, 'file of the model', partial);
    });
    const body: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of body ?? []) {
      hash.update(chunk);
      await target.writeFile(chunk).catch((error: unknown) => {
        throw toFileFailure(error, 'file of the model', partial);
      });
    }
    return hash.digest('hex');
  });
}

/** SHA-256 where the Hub keeps the file apart; else git's name of it. */
function startHash({ sha256, size }: HubFile): Hash {
  return sha256 === null ? createHash('sha1').update(`blob ${size}\0`) : createHash('sha256');
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

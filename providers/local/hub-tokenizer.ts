/** Tokenizers of the Hugging Face Hub: the weights of their models are not downloaded. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Failure, toFileFailure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import type { Context } from '../../src/provider/context.ts';
import { copyHubFile, listFiles } from '../../src/provider-kit/hub-files.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { tokenizerFiles } from '../../src/trainer/model-folder.ts';
import { getModelFolder } from './model-cache.ts';

const Info = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });

/**
 * The folder with the tokenizer of a repository at the commit that its name stands for now; files that are here are not fetched again.
 * @throws Failure `model-invalid`, `model-unavailable`, or of the connection
 */
export async function fetchTokenizer({ name, revision }: Extract<ModelName, { kind: 'hub' }>, context: Context): Promise<string> {
  const hub = openHub(context, { isPublic: true });
  const address = `/api/models/${name}`;
  const { sha } = await hub.read(Info, revision === null ? address : `${address}/revision/${encodeURIComponent(revision)}`);
  const whole = getModelFolder({ endpoint: parseEndpoint(context), repository: name, commit: sha }, context);
  const folder = [whole, `${whole}.tokenizer`].find((path) => existsSync(path));
  if (folder !== undefined) return folder;
  const listed = (await listFiles(hub, { type: 'model', name }, sha)) ?? [];
  const wanted: readonly string[] = [...tokenizerFiles, 'chat_template.jinja', 'config.json'];
  const files = listed.filter(({ path }) => wanted.includes(path));
  if (!files.some(({ path }) => path === 'tokenizer.json' || path === 'vocab.txt')) {
    throw new Failure('model-invalid', `hub:${name}: expected a tokenizer.json or a vocab.txt, found neither in the repository`, {
      hint: 'Name a repository that holds the tokenizer, or a folder: transformers writes one with save_pretrained.',
    });
  }
  try {
    await mkdir(dirname(whole), { recursive: true });
    const part = await mkdtemp(`${whole}.tokenizer-`);
    try {
      for (const file of files) {
        await copyHubFile({ repository: name, revision: sha }, { file, path: join(part, file.path), isPublic: true }, context);
      }
      await rename(part, `${whole}.tokenizer`).catch((error: unknown) => {
        if (!existsSync(`${whole}.tokenizer`)) throw error; // else another process was faster
      });
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  } catch (error) {
    throw toFileFailure(error, 'folder of the tokenizer', whole);
  }
  return `${whole}.tokenizer`;
}

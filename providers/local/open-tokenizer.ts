/** Tokenizers in folders of models, and of the Hugging Face Hub, whose weights are not downloaded for them. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { TokenCounter } from '../../src/dataset/token-counter.ts';
import { Failure, toFileFailure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import type { Context } from '../../src/provider/context.ts';
import { copyHubFile, listFiles } from '../../src/provider-kit/hub-files.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { tokenizerFiles } from '../../src/trainer/model-folder.ts';
import { getModelFolder } from './model-cache.ts';

/** @throws Failure `model-invalid`, `file-missing`, `model-unavailable`, or of the connection */
export async function openTokenizer(model: ModelName, context: Context): Promise<TokenCounter | null> {
  if (model.kind === 'service') return null;
  const folder = model.kind === 'folder' ? model.path : await fetchTokenizer(model, context);
  const { readTokenizer } = await import('../../src/trainer/tokenizer.ts');
  const tokenizer = readTokenizer(folder);
  const countInput = (text: string, text2?: string): number => tokenizer.encode(text, text2, Infinity).ids.length;
  const around = countInput('');
  return {
    name: model.kind === 'folder' ? model.path : `hub:${model.name}`,
    countText: (text) => countInput(text) - around,
    countInput,
  };
}

const Info = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });

/** The folder with the tokenizer of a repository at the commit that its name stands for now; files that are here are not fetched again. */
async function fetchTokenizer({ name, revision }: Extract<ModelName, { kind: 'hub' }>, context: Context): Promise<string> {
  const hub = openHub(context, { isPublic: true });
  const address = `/api/models/${name}`;
  const { sha } = await hub.read(Info, revision === null ? address : `${address}/revision/${encodeURIComponent(revision)}`);
  const whole = getModelFolder({ endpoint: parseEndpoint(context), repository: name, commit: sha }, context);
  const folder = [whole, `${whole}.tokenizer`].find((path) => existsSync(path));
  if (folder !== undefined) return folder;
  const listed = (await listFiles(hub, { type: 'model', name }, sha)) ?? [];
  const files = listed.filter(({ path }) => tokenizerFiles.some((file) => file === path));
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

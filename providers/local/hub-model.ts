/** Base models of the Hugging Face Hub: what is known of one before it is downloaded. Nothing large is read here. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Failure, isFailure, type FailureCode } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { writeAtomicJson } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Note } from '../../src/provider/note.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { formatFilePath, listFiles, type HubFile } from '../../src/provider-kit/hub-files.ts';
import { maxConfigBytes, parseModelConfig, tokenizerFiles } from '../../src/trainer/model-folder.ts';
import { getRepositoryFolder } from './model-cache.ts';

const File = z.object({ path: z.string(), size: z.number(), oid: z.string().nullable(), sha256: z.string().nullable() });

/** A model at one commit. It is kept beside the model's files, so that a plan needs the Hub only once. */
const HubModel = z.object({
  version: z.literal(1),
  endpoint: z.string(),
  /** `owner/name`. */
  repository: z.string(),
  commit: z.string(),
  license: z.string().nullable(),
  config: z.record(z.string(), z.unknown()),
  /** What the trainer needs of it. */
  files: z.array(File).readonly(),
});
export type HubModel = Readonly<z.infer<typeof HubModel>>;

/** Which commits branches had when they were last asked for. */
const Branches = z.record(z.string(), z.object({ commit: z.string(), at: z.string() }));

type HubName = Extract<ModelName, { readonly kind: 'hub' }>;

const commitName = /^[0-9a-f]{40}$/;
/** A connection that fails says nothing about the model. */
const passing: readonly FailureCode[] = ['service-unreachable', 'service-unavailable', 'timeout', 'rate-limited', 'certificate-invalid'];

/**
 * What a name stands for now: the commit, its files, its sizes and its licence. A commit that was seen before is not asked for again, and a
 * branch whose Hub does not answer is what it was when it was seen last, with a note.
 * @throws Failure `model-unavailable`, `credentials-invalid`, `model-invalid`, `job-file-invalid`, or of the connection
 */
export async function inspectHubModel(
  { name, revision }: HubName,
  context: Context,
): Promise<{ readonly model: HubModel; readonly notes: readonly Note[] }> {
  if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name)) {
    throw new Failure('job-file-invalid', `expected a model of the Hub such as hub:owner/name, found hub:${name}`);
  }
  const endpoint = parseEndpoint(context);
  const folder = getRepositoryFolder({ endpoint, repository: name }, context);
  const branch = revision ?? 'main';
  const known = commitName.test(branch) ? await readKnown(folder, branch) : null;
  if (known !== null) return { model: known, notes: [] };
  try {
    const model = await askHub({ endpoint, name, revision }, context);
    await keep(folder, { model, branch, at: context.now().toISOString() });
    return { model, notes: [] };
  } catch (error) {
    const failure = explain(error, { endpoint, name, revision }, context);
    const last = isFailure(failure) && passing.includes(failure.code) ? (await readBranches(folder))[branch] : undefined;
    const model = last === undefined ? null : await readKnown(folder, last.commit);
    if (model === null) throw failure;
    const message = `the Hub does not answer: ${name} is taken as it was on ${last!.at.slice(0, 10)}, at the commit ${last!.commit}`;
    return { model, notes: [{ type: 'warning', message }] };
  }
}

interface Asked {
  readonly endpoint: string;
  readonly name: string;
  readonly revision: string | null;
}

const Info = z.looseObject({
  sha: z.string().regex(commitName),
  cardData: z.looseObject({ license: z.union([z.string(), z.array(z.string())]).nullish() }).nullish(),
  tags: z.array(z.string()).nullish(),
});

/** What the Hub says now. Reads the list of files and config.json. */
async function askHub({ endpoint, name, revision }: Asked, context: Context): Promise<HubModel> {
  const hub = openHub(context, { isPublic: true });
  const address = `/api/models/${name}`;
  const info = await hub.read(Info, revision === null ? address : `${address}/revision/${encodeURIComponent(revision)}`);
  const place = { repository: name, revision: info.sha };
  const listed = (await listFiles(hub, { type: 'model', name }, info.sha)) ?? [];
  const size = listed.find(({ path }) => path === 'config.json')?.size ?? null;
  if (size === null || size > maxConfigBytes) {
    const found = size === null ? 'none' : `one of ${size} bytes`;
    const expected = `hub:${name}: expected a config.json of at most ${maxConfigBytes} bytes, found ${found}`;
    throw new Failure('model-invalid', expected, { hint: 'choose a model of transformers' });
  }
  const config = await hub.read(z.record(z.string(), z.unknown()), formatFilePath(place, 'config.json'));
  parseModelConfig(config, `hub:${name}: config.json`);
  const files = chooseFiles(listed, name);
  return { version: 1, endpoint, repository: name, commit: info.sha, license: getLicense(info), config, files };
}

/** The card's own word, which the Hub repeats as a tag. */
function getLicense({ cardData, tags }: z.infer<typeof Info>): string | null {
  const said = cardData?.license ?? tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length) ?? null;
  return said === null || said.length === 0 ? null : [said].flat().join(', ');
}

function formatByHand(name: string): string {
  const folder = `./models/${name.split('/')[1]}`;
  return `get it by hand: \`hf download ${name} --local-dir ${folder}\`, then "model": "${folder}"`;
}

/** The files that the trainer reads, and no others. @throws Failure `model-invalid` where one is missing */
function chooseFiles(listed: readonly HubFile[], name: string): HubFile[] {
  const own = listed.filter(({ path }) => !/[/\\]/.test(path));
  const has = (path: string): boolean => own.some((file) => file.path === path);
  const refuse = (what: string): never => {
    const [folder, load] = [`./models/${name.split('/')[1]}`, `from_pretrained("${name}").save_pretrained`];
    const python = `from transformers import *; AutoModel.${load}("${folder}"); AutoTokenizer.${load}("${folder}")`;
    throw new Failure('model-invalid', `hub:${name}: expected ${what}, found none in the repository`, {
      hint: `transformers writes it, in Python: ${python}; then "model": "${folder}"`,
    });
  };
  if (!has('tokenizer.json') && !has('vocab.txt')) return refuse('a tokenizer.json or a vocab.txt');
  const isWhole = has('model.safetensors');
  if (!isWhole && !has('model.safetensors.index.json')) {
    return refuse('weights in model.safetensors (pickle files, .bin, are not read)');
  }
  const parts = /^model-\d{5}-of-\d{5}\.safetensors$/;
  return own.filter(({ path }) => {
    if (path === 'config.json' || tokenizerFiles.some((file) => file === path)) return true;
    return isWhole ? path === 'model.safetensors' : path === 'model.safetensors.index.json' || parts.test(path);
  });
}

/** Says which model it was, and how to get it by hand. */
function explain(error: unknown, { endpoint, name, revision }: Asked, context: Context): unknown {
  if (!isFailure(error) || error.code === 'interrupted' || error.code === 'configuration-invalid') return error;
  const called = `hub:${name}${revision === null ? '' : `@${revision}`}`;
  const hasToken = context.credential('HF_TOKEN') !== null;
  const details = { error, ...(error.status === null ? {} : { status: error.status }) };
  if (error.status === 404 || (error.status === 401 && !hasToken)) {
    const who = hasToken ? 'this HF_TOKEN may see' : 'everybody may see (HF_TOKEN is not set)';
    return new Failure('model-unavailable', `${called}: expected a model at ${endpoint} that ${who}, found none: ${error.message}`, {
      ...details,
      hint: `check the name and the revision, and for a private or gated model set HF_TOKEN; or ${formatByHand(name)}`,
    });
  }
  if (error.status === 401 || error.status === 403) {
    return new Failure('credentials-invalid', `${called}: ${error.message}`, {
      ...details,
      hint: `for a gated model agree to its terms at ${endpoint}/${name}, with the account of HF_TOKEN; or ${formatByHand(name)}`,
    });
  }
  return passing.includes(error.code)
    ? new Failure(error.code, `${called}: ${error.message}`, { ...details, hint: `without a network, ${formatByHand(name)}` })
    : error;
}

function getModelFile(folder: string, commit: string): string {
  return `${folder}/${commit}.json`;
}

/** What was kept of a commit; null where nothing was, or it cannot be read. */
export async function readKnown(folder: string, commit: string): Promise<HubModel | null> {
  return HubModel.safeParse(await readJson(getModelFile(folder, commit))).data ?? null;
}

async function readBranches(folder: string): Promise<z.infer<typeof Branches>> {
  return Branches.safeParse(await readJson(`${folder}/branches.json`)).data ?? {};
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return null;
  }
}

/** A cache that cannot be written is no reason to fail a look. */
async function keep(folder: string, { model, branch, at }: { model: HubModel; branch: string; at: string }): Promise<void> {
  try {
    const path = getModelFile(folder, model.commit);
    await mkdir(dirname(path), { recursive: true });
    await writeAtomicJson(path, model, 'record of the model');
    if (commitName.test(branch)) return;
    const branches = { ...(await readBranches(folder)), [branch]: { commit: model.commit, at } };
    await writeAtomicJson(`${folder}/branches.json`, branches, 'record of the model');
  } catch (error) {
    if (!isFailure(error) && !(error instanceof Error && 'code' in error)) throw error;
  }
}

/** Base models of the Hugging Face Hub: what is known of one before it is downloaded. Nothing large is read here. */
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Note } from '../../src/provider/note.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { getRepositoryFolder } from '../../src/provider-kit/hub-cache.ts';
import { formatFilePath, listFiles, type HubFile } from '../../src/provider-kit/hub-files.ts';
import { askRepository, commitName, readRecord, RecordedFile } from '../../src/provider-kit/hub-records.ts';
import { languageFiles, maxConfigBytes, parseNetworkConfig, tokenizerFiles } from '../../src/trainer/model-folder.ts';

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
  files: z.array(RecordedFile).readonly(),
});
export type HubModel = Readonly<z.infer<typeof HubModel>>;

type HubName = Extract<ModelName, { readonly kind: 'hub' }>;

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
  const question = { type: 'model', endpoint, repository: name, revision, schema: HubModel, byHand: formatByHand(name) } as const;
  const { record, warning } = await askRepository(
    { ...question, ask: async () => await askHub({ endpoint, name, revision }, context) },
    context,
  );
  return { model: record, notes: warning === null ? [] : [{ type: 'warning', message: warning }] };
}

/** What was kept of a commit of a model; null where nothing was. */
export async function readKnown(place: Pick<HubModel, 'endpoint' | 'repository' | 'commit'>, context: Context): Promise<HubModel | null> {
  return await readRecord(getRepositoryFolder({ type: 'model', ...place }, context), place.commit, HubModel);
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
  parseNetworkConfig(config, `hub:${name}: config.json`);
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
    if (['config.json', ...tokenizerFiles, ...languageFiles].includes(path)) return true;
    return isWhole ? path === 'model.safetensors' : path === 'model.safetensors.index.json' || parts.test(path);
  });
}

/** Datasets of the Hub as sources of rows: resolved to a commit, and brought to this machine once. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure, toFileFailure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { BroughtData } from '../../src/provider/provider.ts';
import { copySnapshot, findMissing, getRepositoryFolder, takeDownloadLock, type Snapshot } from '../../src/provider-kit/hub-cache.ts';
import { listFiles } from '../../src/provider-kit/hub-files.ts';
import { askRepository, commitName, explainRepository, RecordedFile } from '../../src/provider-kit/hub-records.ts';
import { openHub, parseEndpoint } from '../../src/provider-kit/hub.ts';
import { chooseFiles, Configurations, parseDatasetName } from './dataset-files.ts';

/** A dataset at one commit. It is kept beside its files. */
const HubDataset = z.object({
  version: z.literal(1),
  commit: z.string(),
  files: z.array(RecordedFile).readonly(),
  /** `configs` of its card. */
  configurations: Configurations,
});
type HubDataset = z.infer<typeof HubDataset>;

const Info = z.looseObject({
  sha: z.string().regex(commitName),
  cardData: z.looseObject({ configs: Configurations.optional() }).nullish().catch(null),
});

/**
 * Brings the files that a source names to this machine, each compared with the hash that the Hub lists: those of a commit once, whatever asks
 * for them.
 * @throws Failure `job-file-invalid` where nothing or several things are meant; `file-missing`, `credentials-invalid`, `disk-full`,
 *   `response-invalid`, or of the connection
 */
export async function bringData(source: string, context: Context): Promise<BroughtData> {
  const name = parseDatasetName(source);
  const { repository, revision } = name;
  const endpoint = parseEndpoint(context);
  const byHand = `get it by hand: \`hf download ${repository} --repo-type dataset --local-dir data\`, then name its files`;
  const question = { type: 'dataset', endpoint, repository, revision, byHand } as const;
  const ask = async (): Promise<HubDataset> => await askHub(question, context);
  const { record, warning } = await askRepository<HubDataset>({ ...question, schema: HubDataset, ask }, context);
  const { commit, files, configurations } = record;
  const chosen = new Set(chooseFiles({ ...name, paths: files.map(({ path }) => path), configurations }));
  const snapshot: Snapshot = { ...question, commit, files: files.filter(({ path }) => chosen.has(path)) };
  for (const { path } of snapshot.files) checkPath(path, repository);
  const folder = join(getRepositoryFolder(question, context), commit);
  await fetchFiles(snapshot, folder, context).catch((error: unknown) => {
    throw explainRepository(error, question, context);
  });
  return {
    files: snapshot.files.map(({ path }) => ({ path: join(folder, path), origin: `hub:${repository}@${commit}:${path}` })),
    warning,
  };
}

/** What the Hub says now. */
async function askHub(
  { repository, revision }: { readonly repository: string; readonly revision: string | null },
  context: Context,
): Promise<HubDataset> {
  const hub = openHub(context, { isPublic: true });
  const address = `/api/datasets/${repository}`;
  const info = await hub.read(Info, revision === null ? address : `${address}/revision/${encodeURIComponent(revision)}`);
  const files = (await listFiles(hub, { type: 'dataset', name: repository }, info.sha)) ?? [];
  return { version: 1, commit: info.sha, files, configurations: info.cardData?.configs ?? [] };
}

/** Paths become paths of this machine. */
function checkPath(path: string, repository: string): void {
  const isPlain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !/[\\\0]/.test(path);
  if (!isPlain)
    throw new Failure('response-invalid', `hub:${repository}: expected a path in the repository, found ${JSON.stringify(path)}`);
}

async function fetchFiles(snapshot: Snapshot, folder: string, context: Context): Promise<void> {
  if ((await findMissing(snapshot, folder)).length === 0) return;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'folder of the dataset', folder);
  });
  const lock = await takeDownloadLock(`${folder}.lock.db`, snapshot.repository, context);
  try {
    await copySnapshot(snapshot, folder, context);
  } finally {
    lock.release();
  }
}

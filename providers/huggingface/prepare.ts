import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import { checkModel } from './check-model.ts';
import { openHub, type Hub } from './client.ts';
import { toDatasetCard } from './dataset-card.ts';
import { toDatasetName, toModelName } from './names.ts';
import { readNamespace } from './namespace.ts';
import { commitFiles, hasFiles, listFiles, makeRepository, readCommit, type NewFile, type Repository } from './repositories.ts';
import type { HubRequest, Prepared } from './request.ts';
import { writeRows, type WrittenFile } from './write-rows.ts';

/**
 * Brings the rows into a private repository that is named by their content, and makes an empty one for the model. Rows that are there already
 * are used again once every file was compared.
 */
export async function prepare(request: HubRequest, context: Attempt): Promise<Prepared> {
  context.signal.throwIfAborted();
  const hub = openHub(context);
  const namespace = await readNamespace(hub, request.namespace, context);
  await checkModel(hub, request);
  const write = async (part: 'train' | 'validation'): Promise<WrittenFile> =>
    await writeRows(join(context.workDir, `${part}.jsonl`), context.readRows(part), request.rows);
  const train = await write('train');
  const validation = context.facts.validation === null ? null : await write('validation');
  const files: NewFile[] = [
    { path: 'README.md', content: { text: toDatasetCard(request.rows, { train, validation }) } },
    { path: 'train.jsonl', content: toContent(train) },
    ...(validation === null ? [] : [{ path: 'validation.jsonl', content: toContent(validation) }]),
  ];
  const dataset: Repository = { type: 'dataset', name: `${namespace}/${toDatasetName(toHash(files, request.private))}` };
  const revision = await bringFiles(hub, dataset, { files, isPrivate: request.private }, context);
  const output = `${namespace}/${toModelName(request.name, context.key, context.attempt)}`;
  await makeRepository(hub, { type: 'model', name: output }, request.private);
  return { endpoint: hub.endpoint, namespace, dataset: { repo: dataset.name, revision, hasValidation: validation !== null }, output };
}

function toContent({ path, sha256, bytes }: WrittenFile): NewFile['content'] {
  return { file: path, sha256, bytes };
}

/** Private and public copies of the same rows are two: nobody's private rows become public by a later run. */
function toHash(files: readonly NewFile[], isPrivate: boolean): string {
  const parts = files.map(({ path, content }) => [
    path,
    'text' in content ? createHash('sha256').update(content.text).digest('hex') : content.sha256,
  ]);
  return createHash('sha256')
    .update(JSON.stringify([isPrivate, ...parts]))
    .digest('hex');
}

async function bringFiles(
  hub: Hub,
  repo: Repository,
  { files, isPrivate }: { readonly files: readonly NewFile[]; readonly isPrivate: boolean },
  context: Attempt,
): Promise<string> {
  const present = await readCommit(hub, repo);
  if (present !== null && (await hasFiles((await listFiles(hub, repo, present)) ?? [], files))) return present;
  if (present === null) await makeRepository(hub, repo, isPrivate);
  return await commitFiles(hub, repo, files, context);
}

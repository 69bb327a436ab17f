/** The model that a training on this machine begins with: a folder, or a model of the Hub that becomes one. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { ModelName } from '../../src/job/run-spec.ts';
import { writeAtomicJson } from '../../src/lib/fs.ts';
import type { Attempt, Context } from '../../src/provider/context.ts';
import type { BaseModel } from '../../src/provider/model.ts';
import type { Note } from '../../src/provider/note.ts';
import type { InspectedModel } from '../../src/provider/provider.ts';
import { countBytes } from '../../src/provider-kit/hub-cache.ts';
import { formatDrawn } from '../../src/provider-kit/trainer-events.ts';
import { countParameters, parseLabelNames, parseModelConfig, readModelFolder } from '../../src/trainer/model-folder.ts';
import { inspectHubModel, readKnown, type HubModel } from './hub-model.ts';
import { fetchModel, getModelFolder } from './model-cache.ts';

/** Names a model of the Hub in a request, and in the run folder. */
const HubPlace = z.object({ endpoint: z.string(), repository: z.string(), commit: z.string() });
export type HubPlace = Readonly<z.infer<typeof HubPlace>>;

/**
 * What a plan needs of the model. Of a model of the Hub it reads what the Hub says of it and its config.json, and no weights.
 * @throws Failure of `readModelFolder` and `inspectHubModel`
 */
export async function inspectModel(name: ModelName, context: Context): Promise<InspectedModel> {
  if (name.kind === 'service') return { model: { base: name.name, revision: null, maxLength: null }, notes: [] };
  if (name.kind === 'folder') return inspectFolder(name.path);
  const { model, notes } = await inspectHubModel(name, context);
  const config = parseModelConfig(model.config, `hub:${name.name}: config.json`);
  const labels = parseLabelNames(model.config);
  const folder = getModelFolder(model, context);
  const known: BaseModel = {
    base: name.name,
    revision: model.commit,
    maxLength: config.maxPositions,
    parameters: countParameters(config, 0),
    license: model.license,
    endpoint: model.endpoint,
    folder,
    config: { ...config },
    ...(labels === null ? {} : { labels }),
  };
  if (existsSync(folder)) return { model: known, notes: [...notes, ...noteDrawn(readModelFolder(folder).drawn)] };
  return { model: { ...known, downloadBytes: countBytes(model.files) }, notes };
}

function inspectFolder(path: string): InspectedModel {
  const { revision, maxPositions: maxLength, parameters, config, drawn, labels } = readModelFolder(path);
  const own = labels === null ? {} : { labels };
  return { model: { base: path, revision, maxLength, parameters, folder: path, config: { ...config }, ...own }, notes: noteDrawn(drawn) };
}

function noteDrawn(drawn: readonly string[]): Note[] {
  return drawn.length === 0 ? [] : [{ type: 'warning', message: formatDrawn(drawn) }];
}

const placeFile = 'hub-model.json';

/**
 * Sees to it that the folder of a run's model is there: one of the Hub is downloaded.
 * @throws Failure `model-invalid` where the folder is not what it was in the plan
 */
export async function bringModel(
  { folder, revision, hub }: { readonly folder: string; readonly revision: string; readonly hub?: HubPlace },
  context: Attempt,
): Promise<void> {
  if (hub !== undefined) {
    await writeAtomicJson(join(context.workDir, placeFile), hub, 'file of the run');
    await fetchPlace(hub, context);
    readModelFolder(folder);
    return;
  }
  if (readModelFolder(folder).revision === revision) return;
  throw new Failure('model-invalid', `${folder} has changed since the run was accepted`, {
    hint: 'submit the job again: the changed model makes a new run',
  });
}

/** The cache may have been emptied while the run was paused. */
export async function bringModelAgain(context: Attempt): Promise<void> {
  const text = await readFile(join(context.workDir, placeFile), 'utf8').catch(() => null);
  if (text !== null) await fetchPlace(HubPlace.parse(JSON.parse(text)), context);
}

async function fetchPlace(place: HubPlace, context: Context): Promise<void> {
  if (existsSync(getModelFolder(place, context))) return;
  const known = await readKnown(place, context);
  const model: HubModel = known ?? (await inspectHubModel({ kind: 'hub', name: place.repository, revision: place.commit }, context)).model;
  await fetchModel(model, context);
}

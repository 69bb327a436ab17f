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
import {
  countParameters,
  isLanguageFolder,
  isLanguageModel,
  isMultiLabelConfig,
  matchHead,
  parseLabelNames,
  parseNetworkConfig,
  readLanguageFolder,
  readModelFolder,
  readTokenizerFiles,
} from '../../src/trainer/model-folder.ts';
import { readLocalTemplate } from './chat-template.ts';
import { inspectHubModel, readKnown, type HubModel } from './hub-model.ts';
import { fetchModel, getModelFolder, isComplete, parseModelFolder } from './model-cache.ts';

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
  const config = parseNetworkConfig(model.config, `hub:${name.name}: config.json`);
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
    ...nameLabels(labels, isMultiLabelConfig(model.config)),
  };
  if (await isComplete(folder, model)) {
    const own = isLanguageModel(config) ? noteTemplate(folder) : noteDrawn(readModelFolder(folder).drawn);
    return { model: known, notes: [...notes, ...own] };
  }
  return { model: { ...known, downloadBytes: countBytes(model.files) }, notes };
}

function inspectFolder(path: string): InspectedModel {
  if (isLanguageFolder(path)) {
    const { config, parameters, revision } = readLanguageFolder(path);
    readTokenizerFiles(path);
    const model = { base: path, revision, maxLength: config.maxPositions, parameters, folder: path, config: { ...config } };
    return { model, notes: noteTemplate(path) };
  }
  const { revision, maxPositions: maxLength, parameters, config, drawn, labels, isMultiLabel } = readModelFolder(path);
  const own = nameLabels(labels, isMultiLabel);
  return { model: { base: path, revision, maxLength, parameters, folder: path, config: { ...config }, ...own }, notes: noteDrawn(drawn) };
}

function nameLabels(labels: readonly string[] | null, isMultiLabel: boolean): Pick<BaseModel, 'labels' | 'isMultiLabel'> {
  return labels === null ? {} : { labels, ...(isMultiLabel ? { isMultiLabel } : {}) };
}

/** How conversations are written where the folder does not say it. */
function noteTemplate(folder: string): Note[] {
  const { note } = readLocalTemplate(folder);
  return note === null ? [] : [{ type: 'warning', message: note }];
}

function noteDrawn(drawn: readonly string[]): Note[] {
  return drawn.length === 0 ? [] : [{ type: 'warning', message: formatDrawn(drawn) }];
}

/** Whether the training begins with the head that the model has, and what the plan says of it. */
export function describeHead(
  model: BaseModel,
  wanted: { readonly labels: readonly string[]; readonly isMultiLabel?: true },
): { readonly keepsHead: boolean; readonly notes: readonly Note[] } {
  const { labels: own, isMultiLabel: givesSeveral } = model;
  if (own === undefined) return { keepsHead: false, notes: [] };
  const keepsHead = matchHead(model, wanted) !== null;
  const { labels, isMultiLabel } = wanted;
  const isNumber = labels.length === 0;
  const kept = isNumber ? 'as it gives one number' : `as its labels are those of the data: ${own.join(', ')}`;
  const count = givesSeveral === isMultiLabel ? '' : `, ${givesSeveral ? 'any number of them' : 'one of them'} for a text`;
  const drawn = `for ${isNumber ? 'one number' : `the labels ${labels.join(', ')}`}; its own one is for ${own.join(', ')}${count}`;
  const why = keepsHead ? kept : drawn;
  return { keepsHead, notes: [{ type: 'defaulted', field: "the model's head", value: keepsHead ? 'kept' : 'new', why }] };
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
    readAnyFolder(folder);
    return;
  }
  if (readAnyFolder(folder).revision === revision) return;
  throw new Failure('model-invalid', `${folder} has changed since the run was accepted`, {
    hint: 'submit the job again: the changed model makes a new run',
  });
}

function readAnyFolder(folder: string): { readonly revision: string } {
  return isLanguageFolder(folder) ? readLanguageFolder(folder) : readModelFolder(folder);
}

/** The cache may have been emptied while the run was paused. */
export async function bringModelAgain(context: Attempt): Promise<void> {
  const text = await readFile(join(context.workDir, placeFile), 'utf8').catch(() => null);
  if (text !== null) await fetchPlace(HubPlace.parse(JSON.parse(text)), context);
}

/**
 * Sees to it that the folder of a model that answers is there: one of the Hub that was deleted from the cache is downloaded again.
 * @throws Failure of `inspectHubModel` and `fetchModel`
 */
export async function bringDeleted(folder: string, context: Context): Promise<void> {
  if (existsSync(folder)) return;
  const place = parseModelFolder(folder, context);
  if (place !== null) await fetchPlace(place, context);
}

async function fetchPlace(place: HubPlace, context: Context): Promise<void> {
  const known = await readKnown(place, context);
  if (known === null && existsSync(getModelFolder(place, context))) return; // it was whole when it came, and nobody knows its sizes
  const model: HubModel = known ?? (await inspectHubModel({ kind: 'hub', name: place.repository, revision: place.commit }, context)).model;
  await fetchModel(model, context);
}

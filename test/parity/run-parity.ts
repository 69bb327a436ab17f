/** Our figures beside those of a reference folder. What a file is, its contents say; what is not known is named as skipped. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { toFailureData } from '../../src/errors.ts';
import { getBackend, startBackend, type BackendName, type TensorFlow } from '../../src/trainer/backends/index.ts';
import { kernelVariants, type KernelVariant } from '../../src/trainer/kernels/index.ts';
import { findFamily } from '../../src/trainer/families/index.ts';
import type { OpenNetwork } from '../../src/trainer/tasks/classification/classifier.ts';
import { closeNetwork } from '../../src/trainer/engine/network.ts';
import type { Check } from './check.ts';
import { checkCurve, Curve } from './check-curve.ts';
import { checkForward, ForwardFile } from './check-forward.ts';
import { checkAccumulation, checkSchedules, SchedulesFile } from './check-schedules.ts';
import {
  ArchitectureFile,
  checkArchitecture,
  checkDpo,
  checkLanguageForward,
  checkSft,
  DpoFile,
  LanguageForward,
  SftFile,
  type LanguagePlace,
} from './check-language.ts';
import { checkLora, LoraFile } from './check-lora.ts';
import { checkStep, Optimizer, Step } from './check-step.ts';
import { checkTokenizer, TokenizerFile } from './check-tokenizer.ts';
import { checkMetrics } from './metrics.ts';
import { findModel, openReference } from './reference.ts';
import { isObject } from '../../src/lib/json.ts';

export interface ParityResult {
  readonly checks: readonly Check[];
  /** What was not checked, and why. */
  readonly skipped: readonly string[];
}

const StepFile = z.object({
  model: z.string(),
  head: z.string(),
  labels: z.array(z.string()).min(2),
  problem_type: z.literal('multi_label_classification').optional(),
  optimizer: Optimizer,
  step: Step,
  curve: Curve,
});

/** What a check may need to know about the folder. */
interface Place {
  readonly folder: string;
  /** File name. */
  readonly name: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly backends: readonly BackendName[];
}

type Findings = { readonly checks?: readonly Check[]; readonly skipped?: readonly string[] };

/** Checks every file of a folder. A file that cannot be read is a failed check. */
export async function runParity(folder: string, { backends }: { backends: readonly BackendName[] }): Promise<ParityResult> {
  const checks: Check[] = [];
  const skipped: string[] = [];
  const names = readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const used = new Set<string>(); // tensor files that a JSON file names
  for (const name of names.filter((entry) => entry.isFile() && entry.name.endsWith('.json')).map((entry) => entry.name)) {
    const found = await checkFile(folder, name, backends).catch((error: unknown): Findings => ({ checks: [toErrorCheck(name, error)] }));
    checks.push(...(found.checks ?? []));
    skipped.push(...(found.skipped ?? []));
    if ((found.checks ?? []).length > 0) for (const file of toNamedFiles(join(folder, name))) used.add(file);
  }
  for (const entry of names) {
    if (entry.isDirectory() && entry.name !== 'models' && !used.has(entry.name))
      skipped.push(`${entry.name}/: a folder that no check reads`);
    if (entry.isFile() && !entry.name.endsWith('.json') && !used.has(entry.name)) skipped.push(`${entry.name}: not a file that is checked`);
  }
  return { checks, skipped };
}

async function checkFile(folder: string, name: string, backends: readonly BackendName[]): Promise<Findings> {
  const json: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  if (!isObject(json)) return { skipped: [`${name}: not an object`] };
  const place: Place = { folder, name, json, backends };
  if (isObject(json['lora']) && isObject(json['step']) && isObject(json['curve'])) return checkLoraFile(place);
  const language = await checkLanguageFile(place);
  if (language !== null) return language;
  if (typeof json['hidden_states'] === 'string' && 'texts' in json) return checkForwardFile(place);
  if (isObject(json['step']) && isObject(json['curve'])) return checkStepFile(place);
  if (Array.isArray(json['schedules'])) return checkSchedulesFile(place);
  if (Array.isArray(json['cases']) && json['cases'].some((one) => isObject(one) && 'ids_without_special' in one))
    return checkTokenizerFile(place);
  if (Array.isArray(json['cases']) && ('comparisons' in json || 'proportions' in json)) return checkMetrics(json, name);
  return { skipped: [`${name}: not a file that is checked`] };
}

/** Null for a file that is of no language model. */
async function checkLanguageFile(place: Place): Promise<Findings | null> {
  const { folder, name, json } = place;
  const kinds = [
    { field: 'token_logprobs', parse: (tf: TensorFlow, at: LanguageAt) => checkLanguageForward(tf, LanguageForward.parse(json), at) },
    { field: 'lora_curve', parse: (tf: TensorFlow, at: LanguageAt) => checkSft(tf, SftFile.parse(json), at) },
    { field: 'reference_chosen_logps', parse: (tf: TensorFlow, at: LanguageAt) => checkDpo(tf, DpoFile.parse(json), at) },
    { field: 'noise_logits', parse: (tf: TensorFlow, at: LanguageAt) => checkArchitecture(tf, ArchitectureFile.parse(json), at) },
  ];
  const kind = kinds.find(({ field }) => field in json);
  if (kind === undefined) return null;
  const model = findModel(folder, String(json['model']));
  if (model === null) return { skipped: [`${name}: no model folder ${String(json['model'])}`] };
  return await onEachBackend(place, (tf, own) => kind.parse(tf, { folder, model, name: own }));
}

type LanguageAt = LanguagePlace & { readonly folder: string };

async function checkForwardFile(place: Place): Promise<Findings> {
  const model = findKnownModel(place);
  if ('skipped' in model) return model;
  const file = ForwardFile.parse(place.json);
  const words = findModel(place.folder, file.tokenizer ?? file.model);
  const tokenizer = words !== null && existsSync(join(words, 'tokenizer.json')) ? words : null;
  const found = await onEachBackend(place, (tf, name) =>
    checkForward(tf, file, { folder: place.folder, name, model: model.path, tokenizer }),
  );
  return tokenizer === null ? { ...found, skipped: [`${place.name}: input_ids: no tokenizer ${file.tokenizer ?? file.model}`] } : found;
}

async function checkStepFile(place: Place): Promise<Findings> {
  const model = findKnownModel(place);
  if ('skipped' in model) return model;
  const file = StepFile.parse(place.json);
  const open = (tf: TensorFlow): ReturnType<typeof openReference> =>
    openReference(tf, { ...file, model: model.path, head: join(place.folder, file.head) });
  return onEachBackend(place, (tf, name) => {
    const use = (check: (classifier: OpenNetwork) => Check[]): Check[] => {
      const classifier = open(tf);
      const checks = check(classifier);
      closeNetwork(classifier);
      return checks;
    };
    return [
      ...use((classifier) => checkStep(tf, classifier, file, name)),
      ...use((classifier) => checkStep(tf, classifier, { ...file, memory: 'device' }, `${name}, as on a device`)),
      ...use((classifier) => checkCurve(tf, classifier, file, name)),
    ];
  });
}

async function checkLoraFile(place: Place): Promise<Findings> {
  const model = findKnownModel(place);
  if ('skipped' in model) return model;
  const file = LoraFile.parse(withBatches(place));
  return onEachBackend(place, (tf, name) => checkLora(tf, file, { folder: place.folder, name, model: model.path }));
}

/** A curve may name the file whose batches it was computed on. */
function withBatches({ folder, json }: Place): unknown {
  const { curve } = json;
  const named = isObject(curve) && typeof curve['batches'] === 'string' ? /[\w-]+\.json/.exec(curve['batches'])?.[0] : undefined;
  if (named === undefined || !isObject(curve)) return json;
  const other = readJson(join(folder, named))['curve'];
  return { ...json, curve: { ...curve, batches: isObject(other) ? other['batches'] : null } };
}

async function checkSchedulesFile(place: Place): Promise<Findings> {
  const file = SchedulesFile.parse(place.json);
  const { checks, skipped } = checkSchedules(file, place.name);
  const { classifier } = file.accumulation;
  if (!classifier) return { checks, skipped };
  const owner = findHeadOwner(place.folder, classifier.head);
  const isEven = new Set(classifier.microbatches.map((batch) => batch.input_ids.length)).size === 1;
  if (!owner || !isEven)
    return {
      checks,
      skipped: [
        ...skipped,
        `${place.name}: accumulation.classifier: ${owner ? 'micro-batches of different sizes' : `no file names the model of ${classifier.head}`}`,
      ],
    };
  const more = await onEachBackend(place, (tf, name) => checkAccumulation(tf, classifier, { folder: place.folder, name, ...owner }));
  return { checks: [...checks, ...(more.checks ?? [])], skipped };
}

async function checkTokenizerFile({ folder, name, json }: Place): Promise<Findings> {
  const modelName = name.replace(/^tokenizer-/, '').replace(/\.json$/, '');
  const path = findModel(folder, modelName);
  if (!path) return { skipped: [`${name}: no model folder ${modelName}`] };
  const definition = readJson(join(path, 'tokenizer.json'));
  const type = isObject(definition['model']) ? definition['model']['type'] : undefined;
  if (type !== 'WordPiece') return { skipped: [`${name}: a tokenizer of another family (${String(type)})`] };
  const { pad_token_id: padTokenId } = readJson(join(path, 'config.json'));
  return checkTokenizer(TokenizerFile.parse(json), name, { model: path, padTokenId: typeof padTokenId === 'number' ? padTokenId : 0 });
}

/** The model that the file names; families that the trainer does not have, and models that are not here, are skipped. */
function findKnownModel({ folder, name, json }: Place): { readonly path: string } | { readonly skipped: string[] } {
  const path = findModel(folder, String(json['model']));
  if (!path) return { skipped: [`${name}: no model folder ${String(json['model'])}`] };
  const { model_type: family } = readJson(join(path, 'config.json'));
  return typeof family === 'string' && findFamily(family)
    ? { path }
    : { skipped: [`${name}: a model of another family (${String(family)})`] };
}

/** The model and labels that some other file of the folder names beside this head. */
function findHeadOwner(folder: string, head: string): { readonly model: string; readonly labels: string[] } | null {
  const Owner = z.object({ model: z.string(), head: z.literal(head), labels: z.array(z.string()) });
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
    const owner = Owner.safeParse(readJson(join(folder, name)));
    const model = owner.success ? findModel(folder, owner.data.model) : null;
    if (owner.success && model) return { model, labels: owner.data.labels };
  }
  return null;
}

async function onEachBackend({ name, backends }: Place, check: (tf: TensorFlow, name: string) => Check[]): Promise<Findings> {
  const checks: Check[] = [];
  for (const backend of backends) {
    const all = getBackend(backend).findKernels() === null ? [null] : (Object.keys(kernelVariants) as KernelVariant[]);
    for (const kernels of all)
      checks.push(...check(await startBackend(backend, kernels), `${name} on ${[backend, ...(kernels ? [kernels] : [])].join(', ')}`));
  }
  return { checks };
}

function toErrorCheck(name: string, error: unknown): Check {
  return {
    name: `${name}: can be checked`,
    found: (error instanceof z.ZodError ? z.prettifyError(error).split('\n').join(' ') : toFailureData(error).message).slice(0, 500),
    expected: 'no error',
    tolerance: 0,
    passed: false,
  };
}

/** Tensor files, and folders of adapters, that a JSON file names at its top level. */
function toNamedFiles(path: string): string[] {
  return Object.values(readJson(path)).filter(
    (value) => typeof value === 'string' && /\.safetensors$|-lora-|-dpo-start/.test(value) && existsSync(join(path, '..', value)),
  ) as string[];
}

/** The fields of a JSON file; none where it is broken, which `checkFile` reports. */
function readJson(path: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isObject(json) ? json : {};
  } catch {
    return {};
  }
}

/** A low-rank adapter as PEFT saves it: a step and a short training from the one of the file, and the answers of the trained one. */
import { join } from 'node:path';
import { z } from 'zod';
import { getMerged } from '../../src/trainer/adapters/index.ts';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { closeNetwork, computeAndFree, copyToStoredLayout } from '../../src/trainer/engine/network.ts';
import { type OpenNetwork, computeLogits } from '../../src/trainer/tasks/classification/classifier.ts';
import { readTensors } from '../trainer/read-tensors.ts';
import { toCheck, toEqualCheck, type Check } from './check.ts';
import { checkCurve, Curve } from './check-curve.ts';
import { checkStep, Optimizer, Step } from './check-step.ts';
import { openReference, toLargestDifference, toNorm, toRows } from './reference.ts';

const figures = z.object({ norm: z.number(), first4: z.array(z.number()) });
export const LoraFile = z.object({
  head: z.string(),
  labels: z.array(z.string()),
  lora: z.object({ r: z.int(), lora_alpha: z.number(), lora_dropout: z.number(), target_modules: z.array(z.string()) }),
  optimizer: Optimizer,
  init_adapter: z.string(),
  trained_adapter: z.string(),
  step: Step,
  curve: Curve,
  trained: z.object({
    adapter_logits: z.array(z.array(z.number())),
    merged_logits: z.array(z.array(z.number())),
    merged_params: z.record(z.string(), figures),
  }),
});
type LoraFile = z.infer<typeof LoraFile>;

interface Place {
  readonly folder: string;
  readonly name: string;
  /** The folder of the base model. */
  readonly model: string;
}

export function checkLora(tf: TensorFlow, file: LoraFile, { folder, name, model }: Place): Check[] {
  const use = (adapter: string, check: (classifier: OpenNetwork) => Check[]): Check[] => {
    const classifier = openReference(tf, { ...file, model, head: join(folder, file.head), adapter: join(folder, adapter) });
    const checks = check(classifier);
    closeNetwork(classifier);
    return checks;
  };
  /** Only what is trained is compared. */
  const toTrained = (classifier: OpenNetwork): OpenNetwork => ({ ...classifier, specs: classifier.adapter!.specs });
  const step = { ...file.step, params: toOwnNames(file.step.params) };
  const curve = { ...file.curve, final_params: toOwnNames(file.curve.final_params) };
  return [
    ...use(file.init_adapter, (classifier) => checkStep(tf, toTrained(classifier), { ...file, step }, name)),
    ...use(file.init_adapter, (classifier) =>
      checkStep(tf, toTrained(classifier), { ...file, step, memory: 'device' }, `${name}, as on a device`),
    ),
    ...use(file.init_adapter, (classifier) => [
      ...checkCurve(tf, toTrained(classifier), { ...file, step, curve }, name),
      ...checkTrained(tf, classifier, join(folder, file.trained_adapter), name),
    ]),
    ...use(file.trained_adapter, (classifier) => checkAnswers(tf, classifier, file, name)),
  ];
}

/** PyTorch's names have the name of the adapter in them. */
function toOwnNames<T>(params: Readonly<Record<string, T>>): Record<string, T> {
  const toName = (name: string): string =>
    name
      .replace(/^base_model\.model\./, '')
      .replace('.modules_to_save', '')
      .replace('.default', '');
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [toName(name), value]));
}

/** Every number of the trained adapter beside those that PEFT saved. */
function checkTrained(tf: TensorFlow, { adapter, parameters }: OpenNetwork, folder: string, name: string): Check[] {
  const stored = readTensors(join(folder, 'adapter_model.safetensors'));
  const prefix = 'base_model.model.';
  return [
    toEqualCheck(`${name}: trained.names`, adapter!.specs.map((spec) => `${prefix}${spec.name}`).toSorted(), [...stored.keys()].toSorted()),
    ...adapter!.specs.map((spec) => {
      const values = copyToStoredLayout(tf, parameters.get(spec.name)!, spec.isLinear);
      const expected = stored.get(`${prefix}${spec.name}`)?.data ?? [];
      return toCheck(`${name}: trained.entries ${spec.name}, largest difference`, toLargestDifference(values, expected), 0, 1e-5);
    }),
  ];
}

/** The logits of the step's batch with the adapter, and with weights into which it was merged. */
function checkAnswers(tf: TensorFlow, classifier: OpenNetwork, { step, trained }: LoraFile, name: string): Check[] {
  const rows = toRows(step.batch);
  const toLogits = (network: OpenNetwork): number[] => computeAndFree(tf, () => computeLogits(network, rows, null).arraySync()).flat();
  const names = [...classifier.parameters.keys()];
  const merged = new Map(names.map((one) => [one, tf.tidy(() => tf.keep(getMerged(classifier, one).clone()))]));
  const found = {
    adapter_logits: toLogits(classifier),
    merged_logits: toLogits({ ...classifier, parameters: merged, lowRank: undefined }),
  };
  const checks = [
    ...(['adapter_logits', 'merged_logits'] as const).map((part) =>
      toCheck(`${name}: trained.${part}, largest difference`, toLargestDifference(found[part], trained[part].flat()), 0, 1e-5),
    ),
    ...Object.entries(trained.merged_params).flatMap(([parameter, { norm, first4 }]) => {
      const spec = classifier.specs.find((one) => one.name === parameter);
      if (!spec) return [toEqualCheck(`${name}: trained.merged_params ${parameter}`, 'none', 'a parameter')];
      const values = copyToStoredLayout(tf, merged.get(parameter)!, spec.isLinear);
      return [
        toCheck(`${name}: trained.merged_params ${parameter} norm`, toNorm(values), norm, 1e-5 * norm),
        toCheck(
          `${name}: trained.merged_params ${parameter} first4`,
          toLargestDifference(values.subarray(0, 4), first4.slice(0, 4)),
          0,
          1e-5,
        ),
      ];
    }),
  ];
  closeNetwork({ parameters: merged });
  return checks;
}

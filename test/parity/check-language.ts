/** Language models: log-probabilities, a step of all parameters, a step and a short training of a low-rank adapter, the tokens that follow. */
import { join } from 'node:path';
import { z } from 'zod';
import type { TensorFlow } from '../../src/trainer/backends/index.ts';
import { closeNetwork, computeAndFree } from '../../src/trainer/engine/network.ts';
import { takeStep } from '../../src/trainer/engine/train.ts';
import { buildCausalBatch } from '../../src/trainer/engine/causal-batch.ts';
import { startContinuation } from '../../src/trainer/language/continuation.ts';
import {
  computeLogProbabilities,
  computeStates,
  getOutput,
  openLanguageModel,
  type LanguageModel,
} from '../../src/trainer/language/model.ts';
import { chat, sumLogProbabilities } from '../../src/trainer/tasks/language/chat.ts';
import { addStart, createPreference, type PreferenceRow } from '../../src/trainer/tasks/language/preference.ts';
import type { LearnedRow, PreferencePair } from '../../src/trainer/tasks/language/rows.ts';
import { readTensors } from '../trainer/read-tensors.ts';
import { toCheck, toEqualCheck, toRelativeCheck, type Check } from './check.ts';
import { checkStepOfRows, Optimizer, Step, toAdamW } from './check-step.ts';
import { toLargestDifference } from './reference.ts';

const matrix = z.array(z.array(z.number()));
const Batch = z.object({
  input_ids: z.array(z.array(z.int())),
  attention_mask: z.array(z.array(z.int())),
  labels: z.array(z.array(z.int())),
});

/** Rows without padding; what is to be predicted has its own token as its label. */
export function toChatRows({ input_ids, attention_mask, labels }: z.infer<typeof Batch>): LearnedRow[] {
  return input_ids.map((all, row) => {
    const length = attention_mask[row]!.reduce((sum, one) => sum + one, 0);
    return { ids: all.slice(0, length), learned: labels[row]!.slice(0, length).map((label) => label >= 0) };
  });
}

const LanguageStep = Step.omit({ batch: true });

const Greedy = z.object({ prompt_ids: z.array(z.int()), new_ids: z.array(z.int()) });

export const LanguageForward = z.object({
  batch: Batch,
  first_example_tensors: z.string(),
  greedy: Greedy,
  token_logprobs: matrix,
  loss: z.number(),
  noise: z.record(z.string(), z.number()),
});

/** The log-probability of every token but the first, given those before it. */
export function checkLanguageForward(
  tf: TensorFlow,
  file: z.infer<typeof LanguageForward>,
  { model, name, folder }: LanguagePlace & { readonly folder: string },
): Check[] {
  const network = open(tf, model, null);
  const rows = toChatRows(file.batch);
  const found = rows.map((row) => {
    const places = row.ids.slice(1).map((_, i) => ({ row: 0, token: i + 1 }));
    return [...computeAndFree(tf, () => computeLogProbabilities(network, [row], { places, next: null }).dataSync<'float32'>())];
  });
  const { loss } = chat.evaluate(network, rows);
  const logits = computeLogits(network, rows.slice(0, 1));
  const stored = readTensors(join(folder, file.first_example_tensors)).get('logits')?.data ?? [];
  const checks = [
    toCheck(`${name}: logits of the first example, largest difference`, toLargestDifference(logits, stored), 0, 5e-5),
    checkGreedy(network, file.greedy, name),
  ];
  closeNetwork(network);
  return [
    ...checks,
    ...found.map((values, i) => {
      const expected = file.token_logprobs[i]!.slice(0, values.length);
      return toCheck(`${name}: token_logprobs ${i}, largest difference`, toLargestDifference(values, expected), 0, 5e-5);
    }),
    toCheck(`${name}: loss`, loss, file.loss, 5e-6),
  ];
}

/** The logits of all positions, without padding. */
function computeLogits(network: LanguageModel<LearnedRow>, rows: readonly LearnedRow[]): Float32Array {
  const { tf, ops, config } = network;
  return computeAndFree(tf, () => {
    const batch = buildCausalBatch(tf, rows, { ...config, isCompact: ops.takesCompact });
    const states = computeStates(network, batch, null);
    const places = rows.flatMap(({ ids }, i) => ids.map((_, s) => batch.starts[i]! + s));
    return ops
      .predict(ops.pickRows(states, Int32Array.from(places)), getOutput(network).values)
      .dataSync<'float32'>()
      .slice();
  });
}

/** The most probable tokens, one after the other, also behind one that ends a text. */
function checkGreedy(network: LanguageModel<LearnedRow>, greedy: z.infer<typeof Greedy>, name: string): Check {
  const continuation = startContinuation(network, [greedy.prompt_ids]);
  const found = greedy.new_ids.map(() => {
    const [logits] = continuation.logits;
    const best = logits!.indexOf(Math.max(...logits!));
    continuation.append([best]);
    return best;
  });
  continuation.close();
  return toEqualCheck(`${name}: greedy.new_ids`, found, greedy.new_ids);
}

export interface LanguagePlace {
  /** The folder of the base model. */
  readonly model: string;
  readonly name: string;
}

function open(tf: TensorFlow, folder: string, adapter: string | null): LanguageModel<LearnedRow> {
  const own = adapter === null ? {} : { adapter };
  const model = openLanguageModel(tf, { folder, ...own, seed: 0, maxLength: 1_000_000 }, { task: chat });
  const config = { ...model.config, hiddenDropout: 0, attentionDropout: 0, embeddingDropout: 0 }; // the last one is GPT-2's own
  return { ...model, config };
}

export const ArchitectureFile = z.object({
  greedy: Greedy,
  logits: z.string(),
  model: z.string(),
  batch: Batch,
  optimizer: Optimizer,
  noise_logits: z.number(),
  step: LanguageStep,
});

/** All logits of a batch, and a step of all parameters. */
export function checkArchitecture(
  tf: TensorFlow,
  file: z.infer<typeof ArchitectureFile>,
  { model, name, folder }: LanguagePlace & { readonly folder: string },
): Check[] {
  const network = open(tf, model, null);
  const rows = toChatRows(file.batch);
  const { shape, data } = readTensors(join(folder, file.logits.split(',')[0]!)).get('logits')!;
  const [, S, V] = shape as [number, number, number];
  const stored = rows.flatMap(({ ids }, i) => [...data!.subarray(i * S * V, (i * S + ids.length) * V)]);
  const checks = [
    toCheck(
      `${name}: logits, largest difference`,
      toLargestDifference(computeLogits(network, rows), stored),
      0,
      Math.max(5e-5, 20 * file.noise_logits),
    ),
    checkGreedy(network, file.greedy, name),
    ...checkStepOfRows(tf, network, { step: file.step, optimizer: file.optimizer, rows }, name),
  ];
  closeNetwork(network);
  return checks;
}

export const SftFile = z.object({
  batch: Batch,
  optimizer: Optimizer,
  init_adapter: z.string(),
  trained_adapter: z.string(),
  full_step: LanguageStep,
  lora_step: LanguageStep,
  lora_curve: z.object({
    batches: z.array(Batch),
    warmup_steps: z.int(),
    learning_rate: z.array(z.number()),
    loss: z.array(z.number()),
    grad_norm: z.array(z.number()),
    noise: z.object({ loss_max_abs: z.number() }),
  }),
});

export function checkSft(
  tf: TensorFlow,
  file: z.infer<typeof SftFile>,
  { folder, model, name }: LanguagePlace & { readonly folder: string },
): Check[] {
  const { optimizer, batch } = file;
  const rows = toChatRows(batch);
  const whole = open(tf, model, null);
  const checks = checkStepOfRows(tf, whole, { step: file.full_step, optimizer, rows }, `${name}, all parameters`);
  closeNetwork(whole);
  const start = join(folder, file.init_adapter);
  const step = { ...file.lora_step, params: toOwnNames(file.lora_step.params) };
  const adapted = open(tf, model, start);
  const own = { ...adapted, specs: adapted.adapter!.specs };
  checks.push(...checkStepOfRows(tf, own, { step, optimizer, rows }, `${name}, adapter`));
  closeNetwork(adapted);
  return isSlow(tf) ? checks : [...checks, ...checkCurve(tf, open(tf, model, start), file, { folder, name })];
}

function checkCurve(
  tf: TensorFlow,
  network: LanguageModel<LearnedRow>,
  { lora_curve: curve, optimizer, trained_adapter }: z.infer<typeof SftFile>,
  { folder, name }: { folder: string; name: string },
): Check[] {
  const adamW = toAdamW(tf, optimizer);
  const settings = { optimizer: adamW, maxGradNorm: optimizer.max_grad_norm, microBatchSize: 1_000_000, seed: 0 };
  const checks = curve.batches.flatMap((batch, i) => {
    const { loss, gradNorm } = takeStep(network, toChatRows(batch), { ...settings, step: i, learningRate: curve.learning_rate[i]! });
    return [
      toCheck(`${name}: curve.loss ${i}`, loss, curve.loss[i]!, Math.max(2e-5, 20 * curve.noise.loss_max_abs)),
      toRelativeCheck(`${name}: curve.grad_norm ${i}`, gradNorm, curve.grad_norm[i]!, 1e-4),
    ];
  });
  const stored = readTensors(join(folder, trained_adapter, 'adapter_model.safetensors'));
  checks.push(toEqualCheck(`${name}: trained adapter, matrices`, network.adapter!.specs.length, stored.size));
  for (const spec of network.adapter!.specs) {
    const values = computeAndFree(tf, () => tf.transpose(network.parameters.get(spec.name)!).dataSync<'float32'>().slice());
    const expected = stored.get(`base_model.model.${spec.name}`)?.data ?? [];
    checks.push(toCheck(`${name}: trained ${spec.name}, largest difference`, toLargestDifference(values, expected), 0, 1e-5));
  }
  closeNetwork(network);
  return checks;
}

/** In plain JavaScript twenty steps take minutes: what a step does was looked at. */
function isSlow(tf: TensorFlow): boolean {
  return tf.getBackend() === 'cpu';
}

/** PyTorch's names have the name of the adapter in them. */
function toOwnNames<T>(params: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name.replace(/^base_model\.model\./, '').replace('.default', ''), value]),
  );
}

export const DpoFile = z.object({
  beta: z.number(),
  start_adapter: z.string(),
  optimizer: Optimizer,
  batch: z.object({
    input_ids: z.array(z.array(z.int())),
    attention_mask: z.array(z.array(z.int())),
    completion_mask: z.array(z.array(z.int())),
  }),
  policy_chosen_logps: z.array(z.number()),
  policy_rejected_logps: z.array(z.number()),
  reference_chosen_logps: z.array(z.number()),
  reference_rejected_logps: z.array(z.number()),
  reward_accuracy: z.number(),
  loss: z.number(),
  grad_norm: z.number(),
  noise: LanguageStep.shape.noise,
  params: LanguageStep.shape.params,
  curve: z.object({
    batches: z.array(
      z.object({
        input_ids: z.array(z.array(z.int())),
        attention_mask: z.array(z.array(z.int())),
        completion_mask: z.array(z.array(z.int())),
      }),
    ),
    learning_rate: z.array(z.number()),
    loss: z.array(z.number()),
    grad_norm: z.array(z.number()),
    noise: z.object({ loss_max_abs: z.number() }),
  }),
});

/** Of a batch with all better answers first, then all worse ones. */
function toPairs({ completion_mask, ...batch }: z.infer<typeof DpoFile>['batch']): PreferencePair[] {
  const rows = toChatRows({ ...batch, labels: completion_mask.map((row) => row.map((one) => (one === 1 ? 1 : -100))) });
  const half = rows.length / 2;
  return rows.slice(0, half).map((chosen, i) => ({ chosen, rejected: rows[half + i]! }));
}

/** Preferences, as PyTorch and TRL's DPOTrainer learn them. */
export function checkDpo(
  tf: TensorFlow,
  file: z.infer<typeof DpoFile>,
  { folder, model, name }: LanguagePlace & { readonly folder: string },
): Check[] {
  const task = createPreference({ beta: file.beta, labelSmoothing: 0 });
  const openStart = (): LanguageModel<PreferenceRow> =>
    openLanguageModel(tf, { folder: model, adapter: join(folder, file.start_adapter), seed: 0, maxLength: 1_000_000 }, { task });
  const network = openStart();
  const rows = addStart(network, toPairs(file.batch)).map((row) => row!);
  const toCheckOf = (what: string, found: readonly number[], expected: readonly number[]): Check =>
    toCheck(`${name}: ${what}, largest difference`, toLargestDifference(found, expected), 0, 1e-4);
  const { loss, rewardAccuracy } = task.evaluate(network, rows);
  const checks = [
    ...(['chosen', 'rejected'] as const).flatMap((side) => [
      toCheckOf(
        `policy_${side}_logps`,
        sumLogProbabilities(
          network,
          rows.map((row) => row[side]),
        ),
        file[`policy_${side}_logps`],
      ),
      toCheckOf(
        `reference_${side}_logps`,
        rows.map(({ start }) => start[side]),
        file[`reference_${side}_logps`],
      ),
    ]),
    toCheck(`${name}: loss`, loss, file.loss, 1e-5),
    toEqualCheck(`${name}: reward_accuracy`, rewardAccuracy, file.reward_accuracy),
  ];
  const step = { ...file, params: toOwnNames(file.params) };
  checks.push(...checkStepOfRows(tf, { ...network, specs: network.adapter!.specs }, { step, optimizer: file.optimizer, rows }, name));
  closeNetwork(network);
  if (isSlow(tf)) return checks;

  const trained = openStart();
  const settings = {
    optimizer: toAdamW(tf, file.optimizer),
    maxGradNorm: file.optimizer.max_grad_norm,
    microBatchSize: 1_000_000,
    seed: 0,
  };
  const { curve } = file;
  const base = openStart();
  for (const [i, batch] of curve.batches.entries()) {
    const own = addStart(base, toPairs(batch)).map((row) => row!);
    const found = takeStep(trained, own, { ...settings, step: i, learningRate: curve.learning_rate[i]! });
    checks.push(toCheck(`${name}: curve.loss ${i}`, found.loss, curve.loss[i]!, Math.max(2e-5, 20 * curve.noise.loss_max_abs)));
    checks.push(toRelativeCheck(`${name}: curve.grad_norm ${i}`, found.gradNorm, curve.grad_norm[i]!, 1e-4));
  }
  for (const one of [trained, base]) closeNetwork(one);
  return checks;
}

import { Failure } from '../../src/errors.ts';
import type { RunSpec } from '../../src/job/run-spec.ts';
import type { EngineName, EngineTask, Options } from './request.ts';
import { autotrainChats, autotrainLabels } from './settings-autotrain.ts';
import { transformersSettings, trlSettings } from './settings-trainer.ts';
import { splitNames, type EngineSettings } from './settings.ts';

/** Which engine trains, what it is asked to learn, and why it was chosen. */
export interface ChosenEngine {
  readonly engine: EngineName;
  readonly task: EngineTask;
  readonly why: string;
}

/** The cheapest machine with a GPU. */
export const defaultFlavor = 't4-small';

/** The images that the engines come in. The script of `transformers` needs nothing that the image of TRL lacks. */
export const images: Readonly<Record<EngineName, string>> = {
  autotrain: 'huggingface/autotrain-advanced:latest',
  trl: 'huggingface/trl',
  transformers: 'huggingface/trl',
};

/**
 * `model_type` of encoders and decoders that transformers 4.48.0 knows, which AutoTrain 0.8.36 pins. What came later ends there with "does not
 * recognize this architecture". A type that is missing here costs a message, not money: the target then names another engine.
 */
export const autotrainModelTypes: ReadonlySet<string> = new Set(
  splitNames(`albert bart bert big_bird camembert canine convbert deberta deberta-v2 distilbert electra ernie flaubert fnet funnel ibert
    layoutlm longformer luke megatron-bert mobilebert modernbert mpnet mra nezha nystromformer rembert roberta roberta-prelayernorm
    roc_bert roformer squeezebert xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso bloom codegen cohere cohere2 dbrx falcon falcon_mamba
    gemma gemma2 glm gpt2 gpt_bigcode gpt_neo gpt_neox gptj granite granitemoe jamba llama mamba mamba2 mistral mixtral mpt nemotron
    olmo olmo2 olmoe opt persimmon phi phi3 phimoe qwen2 qwen2_moe stablelm starcoder2 t5`),
);

/** Families that are younger, by what their names hold: a plan makes no request, so that the name is all that it can go by. */
const youngerName =
  /qwen-?3|qwen3|gemma-?3|gpt-?oss|llama-?4|smollm-?3|olmo-?3|phi-?4-(?:mini|multimodal)|eurobert|neobert|mmbert|ettin|granite-?4|lfm-?2|glm-?4\.\d|minicpm4|exaone-?4|ernie-?4/i;

function isYoungerName(model: string): boolean {
  return youngerName.test(model.split('/').at(-1) ?? model);
}

/** @throws Failure `job-file-invalid` for what no engine, or not the one that was asked for, can learn */
export function chooseEngine({ task, target, training }: RunSpec, options: Options, model: string, isPair: boolean): ChosenEngine {
  const location = `targets.${target}`;
  if (task === 'multi-label' && options.engine !== 'trl') {
    throw new Failure(
      'job-file-invalid',
      `${location}: Hugging Face learns several labels a text as chats only, with options.engine "trl"`,
      {
        hint: 'choose a chat model for it; classifiers of the task "multi-label" are trained by the provider "local"',
      },
    );
  }
  if (task === 'text' || task === 'regression') {
    throw new Failure('job-file-invalid', `${location}: Hugging Face expects a task of chats or labels, found "${task}"`, {
      hint: task === 'text' ? 'plain text has no answer that it could learn; the task "chat" has' : 'the provider "local" trains it',
    });
  }
  const method = training.method ?? (task === 'preference' ? 'dpo' : 'sft');
  if ((method === 'dpo') !== (task === 'preference')) {
    const expected = method === 'dpo' ? 'sft' : 'dpo';
    throw new Failure('job-file-invalid', `${location}: expected the method "${expected}" for the task "${task}", found "${method}"`);
  }
  const asked = options.engine ?? 'auto';
  const found = asked === 'auto' ? chooseAutomatic(task, model, isPair) : { engine: asked, why: 'the target asks for it' };
  const { engine } = found;
  if (engine === 'transformers' && task !== 'classification') {
    throw new Failure(
      'job-file-invalid',
      `${location}.options.engine: expected "trl" or "autotrain" for the task "${task}", found "transformers"`,
    );
  }
  if (engine === 'autotrain' && isPair) {
    throw new Failure('job-file-invalid', `${location}.options.engine: autotrain reads one text a row, found pairs (data.columns.text2)`, {
      hint: 'use the engine "transformers"',
    });
  }
  if (engine === 'autotrain' && options.flavor?.startsWith('rtx-pro-6000') === true) {
    throw new Failure(
      'job-file-invalid',
      `${location}.options.flavor: the program of autotrain is too old for the GPU of ${options.flavor}`,
    );
  }
  const isLabels = task === 'classification' && engine !== 'trl';
  return { ...found, task: isLabels ? 'text-classification' : method };
}

function chooseAutomatic(task: RunSpec['task'], model: string, isPair: boolean): { engine: EngineName; why: string } {
  if (task !== 'classification') return { engine: 'trl', why: `TRL is maintained, and trains the task "${task}"` };
  if (isPair) return { engine: 'transformers', why: 'the rows are pairs of texts, which AutoTrain does not read' };
  if (isYoungerName(model)) return { engine: 'transformers', why: 'the model is younger than the transformers 4.48 of AutoTrain' };
  return { engine: 'autotrain', why: 'AutoTrain trains classifiers, and its transformers 4.48 should know the model' };
}

export function getSettings({ engine, task }: Pick<ChosenEngine, 'engine' | 'task'>): EngineSettings {
  if (engine === 'trl') return trlSettings;
  if (engine === 'transformers') return transformersSettings;
  return task === 'text-classification' ? autotrainLabels : autotrainChats;
}

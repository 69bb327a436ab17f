import { toFloats } from './floats.ts';
import { toAdapterCard } from './model-card.ts';
import type { JobTask } from './train-model.ts';

const rank = 4;
const width = 8;

/** A small LoRA adapter as PEFT saves one, with numbers that depend on the data: what a chat model's job leaves behind here. */
export function toAdapterFiles(task: JobTask, seed: number): Map<string, Buffer> {
  const config = {
    base_model_name_or_path: task.model.base,
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: rank,
    lora_alpha: 2 * rank,
    lora_dropout: 0,
    bias: 'none',
    target_modules: ['q_proj'],
    inference_mode: true,
  };
  return new Map([
    ['README.md', Buffer.from(toAdapterCard(task))],
    ['adapter_config.json', Buffer.from(`${JSON.stringify(config, null, 2)}\n`)],
    ['adapter_model.safetensors', toSafetensors(seed)],
  ]);
}

function toSafetensors(seed: number): Buffer {
  const bytes = rank * width * 4;
  const name = 'base_model.model.model.layers.0.self_attn.q_proj';
  const header = JSON.stringify({
    [`${name}.lora_A.weight`]: { dtype: 'F32', shape: [rank, width], data_offsets: [0, bytes] },
    [`${name}.lora_B.weight`]: { dtype: 'F32', shape: [width, rank], data_offsets: [bytes, 2 * bytes] },
  });
  const padded = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, toFloats(seed, 2 * rank * width)]);
}

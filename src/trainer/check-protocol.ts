/** What the process of a check is asked, and what it answers. */
import { z } from 'zod';
import type { BackendDescription } from './backends/index.ts';
import { AdapterSettings } from './protocol.ts';

const positive = z.int().min(1);

/** `trainer check BACKEND [SHAPE]`: the network whose steps are measured, as JSON. */
export const CheckShape = z.object({
  /** The sizes of the model, as `ModelConfig` has them. */
  config: z.record(z.string(), z.unknown()),
  rows: positive,
  /** Of each row. */
  tokens: positive,
  /** What is trained; null: all. */
  adapter: AdapterSettings.nullable(),
  /** Threads that share each batch, on a backend that has only one itself. */
  threads: positive,
});
export type CheckShape = Readonly<z.infer<typeof CheckShape>>;

/** Its answer: one line on standard output after real training steps. */
export interface CheckAnswer {
  readonly loss: number;
  /** Of a step, the median; the first ones prepare. */
  readonly milliseconds: number;
  /** From the start of the process to the first step, milliseconds. */
  readonly startMs: number;
  /** Most memory of the process at one time, in bytes. */
  readonly memoryBytes: number;
  /** The package that computes, where the backend is not a part of this program; else null. */
  readonly native: BackendDescription | null;
}

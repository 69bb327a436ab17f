import { z } from 'zod';

const positive = z.int('a positive whole number').min(1, 'a positive whole number');
const amount = z.number('a number from 0').min(0, 'a number from 0');

/** Low-rank adapters of linear maps. */
const LoraSettings = z.object({
  type: z.literal('lora'),
  rank: positive,
  /** The change is multiplied with alpha / rank. */
  alpha: amount,
  dropout: amount.lt(1, 'less than 1'),
  /** Names of linear maps, or the last parts of them; null: those of the model's family. */
  targets: z.array(z.string('a name'), 'a list of names').min(1, 'at least one name').readonly().nullable(),
  /** Multiplied with alpha / √rank instead. */
  rankStabilized: z.boolean('true or false'),
});
export type LoraSettings = Readonly<z.infer<typeof LoraSettings>>;

/** What is trained beside the head, which always is. */
export const AdapterSettings = z.discriminatedUnion('type', [z.object({ type: z.literal('head') }), LoraSettings], '"head" or "lora"');
export type AdapterSettings = Readonly<z.infer<typeof AdapterSettings>>;

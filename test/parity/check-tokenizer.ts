/** Texts, batches and pairs as a tokenizer of the BERT family reads them. */
import * as library from '@huggingface/tokenizers';
import { z } from 'zod';
import { readTokenizer } from '../../src/trainer/tokenizer.ts';
import { readTokenizerFiles } from '../../src/trainer/model-folder.ts';
import { toEqualCheck, type Check } from './check.ts';
import type { Checked } from './check-schedules.ts';

const ids = z.array(z.int().min(0));
const side = z.enum(['left', 'right']).default('right');
export const TokenizerFile = z.object({
  cases: z.array(z.object({ text: z.string(), ids, ids_without_special: ids, decoded: z.string() })).min(1),
  batches: z
    .array(
      z.object({
        texts: z.array(z.string()),
        padding: z.union([z.boolean(), z.literal('max_length'), z.literal('longest')]).default(false),
        truncation: z.boolean().default(false),
        max_length: z.int().optional(),
        pad_to_multiple_of: z.int().min(1).default(1),
        padding_side: side,
        truncation_side: side,
        input_ids: z.array(ids),
        attention_mask: z.array(ids),
      }),
    )
    .default([]),
  pairs: z
    .array(z.object({ a: z.string(), b: z.string(), input_ids: ids, token_type_ids: ids.nullish(), longest_first_16: ids }))
    .default([]),
  offsets: z.unknown().optional(),
});

const unlimited = 2 ** 30;
const decoding = { skip_special_tokens: true, clean_up_tokenization_spaces: false };

interface Decoder {
  decode(ids: readonly number[], options: typeof decoding): string;
}

/** The trainer reads texts only: to write them is the library's own work. */
function openDecoder(model: string): Decoder {
  const { definition, config } = readTokenizerFiles(model);
  // The library's declarations cannot be resolved in Node.
  return new (library as unknown as { Tokenizer: new (definition: object, config: object) => Decoder }).Tokenizer(definition, config);
}

export function checkTokenizer(
  file: z.infer<typeof TokenizerFile>,
  name: string,
  { model, padTokenId }: { model: string; padTokenId: number },
): Checked {
  const tokenizer = readTokenizer(model);
  const decoder = openDecoder(model);
  const checks: Check[] = [];
  const skipped: string[] = [];
  for (const [i, { text, ...expected }] of file.cases.entries()) {
    const part = `${name}: case ${i} ${JSON.stringify(text.slice(0, 40))}`;
    const found = tokenizer.encode(text, undefined, unlimited).ids;
    checks.push(toEqualCheck(`${part}: ids`, found, expected.ids));
    checks.push(toEqualCheck(`${part}: ids without special tokens`, found.slice(1, -1), expected.ids_without_special)); // one on each side
    checks.push(toEqualCheck(`${part}: decoded`, decoder.decode(expected.ids, decoding), expected.decoded));
  }
  for (const [i, batch] of file.batches.entries()) {
    const part = `${name}: batch ${i}`;
    if (batch.truncation && batch.truncation_side === 'left') {
      skipped.push(`${part}: cut on the left, ours cuts on the right`);
      continue;
    }
    const rows = batch.texts.map(
      (text) => tokenizer.encode(text, undefined, batch.truncation ? (batch.max_length ?? unlimited) : unlimited).ids,
    );
    const longest =
      batch.padding === 'max_length' ? (batch.max_length ?? 0) : batch.padding ? Math.max(...rows.map((row) => row.length)) : 0;
    const width = Math.ceil(longest / batch.pad_to_multiple_of) * batch.pad_to_multiple_of;
    const pad = (row: readonly number[], filling: number): number[] => {
      const padding = new Array<number>(Math.max(0, width - row.length)).fill(filling);
      return batch.padding_side === 'left' ? [...padding, ...row] : [...row, ...padding];
    };
    checks.push(
      toEqualCheck(
        `${part}: ids`,
        rows.map((row) => pad(row, padTokenId)),
        batch.input_ids,
      ),
    );
    checks.push(
      toEqualCheck(
        `${part}: mask`,
        rows.map((row) =>
          pad(
            row.map(() => 1),
            0,
          ),
        ),
        batch.attention_mask,
      ),
    );
  }
  for (const [i, { a, b, ...expected }] of file.pairs.entries()) {
    const whole = tokenizer.encode(a, b, unlimited);
    checks.push(toEqualCheck(`${name}: pair ${i}: ids`, whole.ids, expected.input_ids));
    checks.push(toEqualCheck(`${name}: pair ${i}: ids, longest first to 16`, tokenizer.encode(a, b, 16).ids, expected.longest_first_16));
    if (expected.token_type_ids) checks.push(toEqualCheck(`${name}: pair ${i}: types`, whole.typeIds, expected.token_type_ids));
  }
  if (file.offsets !== undefined) skipped.push(`${name}: offsets: the tokenizer library has none`);
  return { checks, skipped };
}

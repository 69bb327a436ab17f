/** How byte-level tokenizers cut a text into words before they merge: tokenizer.json has a pattern for it, llama.cpp a name. */
import { Failure } from '../../errors.ts';
import { isObject } from '../../lib/json.ts';
import { formatValue } from '../../lib/text.ts';

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const llama3 = String.raw`${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}${rest}`;
const qwen2 = String.raw`${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}${rest}`;
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const gpt4o = [
  String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+${contractions}?`,
  String.raw`[^\r\n\p{L}\p{N}]?${upper}+${lower}*${contractions}?`,
  String.raw`\p{N}{1,3}`,
  String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
].join('|');

/** By what stands before the step that turns bytes into characters; that step has a pattern of its own, GPT-2's, where `ownPattern` says so. */
const names: readonly {
  readonly steps: readonly string[];
  readonly ownPattern: boolean;
  readonly name: string;
  readonly whole?: string;
}[] = [
  { steps: [], ownPattern: true, name: 'gpt-2' },
  { steps: ['digits one by one'], ownPattern: true, name: 'smollm' },
  // `whole`: where a word that is a token itself is not merged.
  { steps: [llama3], ownPattern: false, name: 'dbrx', whole: 'llama-bpe' },
  { steps: [qwen2], ownPattern: false, name: 'qwen2' },
  { steps: [gpt4o], ownPattern: false, name: 'gpt-4o' },
];

/**
 * llama.cpp's name of the way of a tokenizer.json.
 * @throws Failure `model-invalid` for a way that has no name there: the model would read other tokens than it was trained on
 */
export function findPreTokenizer({ pre_tokenizer: given, model }: Readonly<Record<string, unknown>>, path: string): string {
  const steps = toSteps(given, 'pretokenizers');
  const last = steps.at(-1);
  const ownPattern = last?.['use_regex'] !== false;
  const before = steps.slice(0, -1).map(toName);
  const found = names.find((one) => one.ownPattern === ownPattern && JSON.stringify(one.steps) === JSON.stringify(before));
  if (last?.['type'] === 'ByteLevel' && last['add_prefix_space'] !== true && found) {
    return isObject(model) && model['ignore_merges'] === true ? (found.whole ?? found.name) : found.name;
  }
  throw new Failure(
    'model-invalid',
    `${path}: pre_tokenizer: expected a way of ${names.map(({ name }) => name).join(', ')}, found ${formatValue(given)}`,
    {
      hint: 'llama.cpp would read a text as other tokens than the model was trained on',
    },
  );
}

/** One step, or the steps of a sequence. */
export function toSteps(given: unknown, list: 'pretokenizers' | 'normalizers' | 'processors'): Record<string, unknown>[] {
  if (!isObject(given)) return [];
  const inner = given['type'] === 'Sequence' ? given[list] : undefined;
  return Array.isArray(inner) ? inner.flatMap((step: unknown) => toSteps(step, list)) : [given];
}

function toName(step: Readonly<Record<string, unknown>>): unknown {
  if (step['type'] === 'Digits') return step['individual_digits'] === true ? 'digits one by one' : 'digits';
  const { pattern, behavior, invert } = step;
  const isPlain = step['type'] === 'Split' && behavior === 'Isolated' && invert !== true;
  return isPlain && isObject(pattern) ? pattern['Regex'] : null;
}

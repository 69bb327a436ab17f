/**
 * The steps through which a tokenizer sends a text before it looks for tokens (normalizers, pre-tokenizers) and back (decoders), as a
 * tokenizer.json lists them. They are a small program in a foreign file: a regular expression may run for years, and steps that make
 * the text longer, one after the other, fill any memory. What is let through takes time and memory in proportion to the text.
 */
import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { isObject } from '../lib/json.ts';

type Fields = Readonly<Record<string, unknown>>;

const maxSteps = 32;
/** How many times longer than it was a text may become. */
const maxGrowth = 64;
/** The longest text that a step may put in. */
const maxInserted = 16;

/** The fields of tokenizer.json with steps, where a sequence of them lists its own ones, and the types of steps that there are. */
const fields = {
  normalizer: {
    list: 'normalizers',
    types: 'BertNormalizer Lowercase NFC NFD NFKC NFKD Precompiled Prepend Replace Strip StripAccents'.split(' '),
  },
  pre_tokenizer: {
    list: 'pretokenizers',
    types: 'BertPreTokenizer ByteLevel Digits FixedLength Metaspace Punctuation Replace Split Whitespace WhitespaceSplit'.split(' '),
  },
  decoder: { list: 'decoders', types: 'BPEDecoder ByteFallback ByteLevel CTC Fuse Metaspace Replace Strip WordPiece'.split(' ') },
} as const;

/**
 * A regular expression that fails or matches without trying anything twice: one character or class of characters, once or repeated.
 * (`\s*a`, `(a+)+` or `a*a*` go over the same text again and again.)
 */
const simplePattern =
  /^(?:[^\\^$.|?*+()[\]{}]|\.|\\[sSdDwWhHnrt]|\\[^A-Za-z0-9]|\\[pP]\{[A-Za-z_]+\}|\[\^?(?:[^[\]\\&^]|\\[sSdDwWhHnrt]|\\[^A-Za-z0-9]|\\[pP]\{[A-Za-z_]+\})+\])(?:\+|\{([1-9]\d{0,2})(?:,\d{0,3})?\})?$/u;

/** @throws Failure `model-invalid` naming the step */
export function checkTextSteps(definition: Fields, path: string): void {
  for (const [field, { list, types }] of Object.entries(fields)) {
    const steps = toSteps(definition[field] ?? null, { field, list, path });
    const odd = steps.find(({ type }) => !types.includes(type as string));
    if (odd !== undefined) throw invalid(path, field, `steps of the types ${types.join(', ')}`, odd['type']);
    if (steps.length > maxSteps) throw invalid(path, field, `at most ${maxSteps} steps`, steps.length);
    const growth = steps.reduce((product, step) => product * toGrowth(step, `${field} ${String(step['type'])}`, path), 1);
    if (growth > maxGrowth) throw invalid(path, field, `steps that make a text at most ${maxGrowth} times longer`, growth);
  }
}

/** The steps of a field in order, those of sequences in their place. Nesting is bounded by the file's reader. */
function toSteps(value: unknown, place: { readonly field: string; readonly list: string; readonly path: string }): Fields[] {
  if (value === null) return [];
  if (!isObject(value) || typeof value['type'] !== 'string') throw invalid(place.path, place.field, 'an object with a type', value);
  if (value['type'] !== 'Sequence') return [value];
  const steps = value[place.list] ?? [];
  if (!Array.isArray(steps)) throw invalid(place.path, `${place.field}.${place.list}`, 'a list', steps);
  return steps.flatMap((step) => toSteps(step, place));
}

/** How many times longer than it was a text is after a step, at most. */
function toGrowth(step: Fields, field: string, path: string): number {
  const toInserted = (name: string): number => {
    const text = step[name] ?? '';
    if (typeof text === 'string' && text.length <= maxInserted) return text.length;
    throw invalid(path, `${field}.${name}`, `a text of at most ${maxInserted} characters`, text);
  };
  switch (step['type']) {
    case 'Replace':
      return Math.max(1, toInserted('content') / toShortestMatch(step['pattern'], field, path));
    case 'Split':
      toShortestMatch(step['pattern'], field, path);
      return 1;
    case 'Prepend':
      return 1 + toInserted('prepend');
    case 'Metaspace':
      return 1 + Math.max(1, toInserted('replacement'), toInserted('str_rep'));
    case 'ByteLevel':
      return 3; // the bytes of UTF-8, a character each
    case 'BPEDecoder':
      toInserted('suffix');
      return 2;
    case 'CTC':
      toInserted('pad_token');
      return 1 + toInserted('word_delimiter_token');
    case 'FixedLength':
      if (Number.isSafeInteger(step['length']) && (step['length'] as number) >= 1) return 1;
      throw invalid(path, `${field}.length`, 'a positive whole number', step['length']);
    default:
      return 1;
  }
}

function toShortestMatch(pattern: unknown, field: string, path: string): number {
  const { String: text, Regex: regex } = isObject(pattern) ? pattern : {};
  if (typeof text === 'string' && text.length > 0 && regex === undefined) return text.length;
  const simple = typeof regex === 'string' ? simplePattern.exec(regex) : null;
  if (simple) return Number(simple[1] ?? 1);
  throw new Failure(
    'model-invalid',
    `${path}: ${field}.pattern: expected a text, or a regular expression of one character or class such as " {2,}", found ${formatValue(pattern)}`,
    { hint: 'Other regular expressions are refused: some of them never end.' },
  );
}

function invalid(path: string, field: string, expected: string, found: unknown): Failure {
  return new Failure('model-invalid', `${path}: ${field}: expected ${expected}, found ${formatValue(found)}`);
}

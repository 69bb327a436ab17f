/** Texts that were made from another one and still know where each of their characters stood in it: what a normalizer does, traced. */
import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';

/** `starts` and `ends` have the place of each UTF-16 unit of `text` in the first text. */
export interface MappedText {
  readonly text: string;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** A text as it is. */
export function createMapped(text: string): MappedText {
  const [starts, ends] = [new Uint32Array(text.length), new Uint32Array(text.length)];
  for (let i = 0; i < text.length; i++) {
    starts[i] = i;
    ends[i] = i + 1;
  }
  return { text, starts, ends };
}

export function sliceMapped({ text, starts, ends }: MappedText, start: number, end: number): MappedText {
  return { text: text.slice(start, end), starts: starts.subarray(start, end), ends: ends.subarray(start, end) };
}

/** What stands in front stands where the first character does. */
export function prependMapped(mapped: MappedText, lead: string): MappedText {
  const first = mapped.text.codePointAt(0);
  if (first === undefined) return mapped;
  const builder = createBuilder(mapped);
  builder.add(lead, 0, first > 0xffff ? 2 : 1);
  for (let i = 0; i < mapped.text.length; i++) builder.add(mapped.text[i]!, i, i + 1);
  return builder.build();
}

type Step = (mapped: MappedText) => MappedText;

/**
 * The normalizer of a tokenizer.json, as the reference library traces it.
 * @throws Failure `model-invalid` for a normalizer of another kind than language models have
 */
export function parseNormalizer(normalizer: unknown, path: string): Step {
  if (normalizer === null || normalizer === undefined) return (mapped) => mapped;
  const { type, normalizers, prepend, pattern, content } = isObject(normalizer) ? normalizer : {};
  if (type === 'Sequence' && Array.isArray(normalizers)) {
    const steps = normalizers.map((part) => parseNormalizer(part, path));
    return (mapped) => steps.reduce((text, step) => step(text), mapped);
  }
  if (type === 'Prepend' && typeof prepend === 'string') return (mapped) => prependMapped(mapped, prepend);
  if (type === 'Replace' && isObject(pattern) && typeof pattern['String'] === 'string' && typeof content === 'string') {
    const from = pattern['String'];
    return (mapped) => replaceMapped(mapped, from, content);
  }
  const form = forms.find((name) => name === type);
  if (form !== undefined) return (mapped) => composeMapped(mapped, form);
  throw new Failure(
    'model-invalid',
    `${path}: normalizer: expected Prepend, Replace (of a string), ${forms.join(', ')} or a Sequence of them, found ${formatValue(type ?? normalizer)}`,
    { hint: 'The tokenizer is not of a language model that this version knows.' },
  );
}

const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

function replaceMapped(mapped: MappedText, from: string, to: string): MappedText {
  const { text } = mapped;
  if (from === '' || !text.includes(from)) return mapped;
  const builder = createBuilder(mapped);
  for (let i = 0; i < text.length;) {
    const isMatch = text.startsWith(from, i);
    const end = i + (isMatch ? from.length : 1);
    builder.add(isMatch ? to : text[i]!, i, end);
    i = end;
  }
  return builder.build();
}

/** What is composed together: a syllable of Hangul, or a character with the marks on it. */
const cluster = /[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[\uac00-\ud7a3][\u11a8-\u11c2]?|\P{M}\p{M}*|\p{M}+/gsu;

/** Characters that become one stand where the first of them did; characters that one becomes stand where it did. */
function composeMapped(mapped: MappedText, form: (typeof forms)[number]): MappedText {
  const normal = mapped.text.normalize(form);
  if (normal === mapped.text) return mapped;
  const builder = createBuilder(mapped);
  for (const { 0: found, index } of mapped.text.matchAll(cluster)) {
    const places = Array.from(found).map((character, i, all) => {
      const start = index + all.slice(0, i).join('').length;
      return [start, start + character.length] as const;
    });
    const made = Array.from(found.normalize(form));
    const more = made.length - places.length;
    made.forEach((character, i) => {
      const [start, end] = places[i === 0 ? 0 : Math.max(0, i - more)] ?? places.at(-1)!;
      builder.add(character, start, end);
    });
  }
  const built = builder.build();
  // Whatever else is composed with what stands beside it stands where all of the text does.
  return built.text === normal ? built : createBuilder(mapped).add(normal, 0, mapped.text.length).build();
}

interface Builder {
  /** Text that stands for the units from `start` to before `end`. */
  add(text: string, start: number, end: number): Builder;
  build(): MappedText;
}

function createBuilder(from: MappedText): Builder {
  const texts: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  const builder: Builder = {
    add(text, start, end) {
      texts.push(text);
      for (let i = 0; i < text.length; i++) {
        starts.push(from.starts[start]!);
        ends.push(from.ends[end - 1]!);
      }
      return builder;
    },
    build: () => ({ text: texts.join(''), starts: Uint32Array.from(starts), ends: Uint32Array.from(ends) }),
  };
  return builder;
}

import * as tokenizers from '@huggingface/tokenizers';
import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { readTokenizerFiles } from './model-folder.ts';
import { createLocator, type LocatedToken, type TokenizerParts, type TokenSpan } from './token-offsets.ts';
import { createTokenTexts, type TokenTexts } from './token-text.ts';

/** A text, or a pair of texts, as the model reads it. */
export interface EncodedText {
  readonly ids: readonly number[];
  /** 0 for the first text, 1 for the second one; as many as `ids`. */
  readonly typeIds: readonly number[];
  /** Whether tokens were left out so that `maxLength` holds. */
  readonly truncated: boolean;
}

/** A text and what of it is learned. */
export interface SpannedText {
  readonly text: string;
  readonly learned: readonly TokenSpan[];
  readonly hasBegin?: boolean | undefined;
}

/** A text of which only parts are learned, such as the answers of a conversation. */
export interface EncodedSpans {
  readonly ids: readonly number[];
  /** As many as `ids`. */
  readonly learned: readonly boolean[];
  readonly truncated: boolean;
}

/** What follows after `encode` is for language models: byte-level BPE, and BPE with metaspaces or byte fallback. For others it throws `model-invalid`. */
export interface Tokenizer extends TokenTexts {
  /**
   * At most `maxLength` tokens, the special ones included and never cut away. The longer text of a pair loses its last token first; an
   * empty second text is none, as for a tokenizer of transformers.
   */
  encode(text: string, text2: string | undefined, maxLength: number): EncodedText;
  /**
   * A text that a chat template has written, cut at its end. Special tokens that stand in it are themselves. Those that the tokenizer puts
   * in front of a text, such as <s>, come first where the text does not begin with them, unless `hasBegin` says that it has all it needs, as
   * transformers takes what a template of the model itself has written; none are put behind it.
   *
   * A token is learned when any part of it lies within one of the spans, which are in order. So does transformers with the spans of a template's
   * generation blocks (TRL's `assistant_only_loss`); a token that the end of the prompt and the beginning of the answer became together
   * is learned. TRL with a prompt and its completion learns what follows after the tokens that both beginnings share: the
   * same, unless the answer changes tokens of the prompt that end before it.
   */
  encodeSpans(row: SpannedText, maxLength: number): EncodedSpans;
  /** The tokens of a text and their places, without those that are put around it. */
  locate(text: string): readonly LocatedToken[];
  /** The number of a token that has this text, such as `<|im_end|>`; null where there is none. */
  findToken(token: string): number | null;
}

/** What we use of the library. Its own declarations name files without endings, which Node's resolution does not find. */
interface LibraryTokenizer extends TokenizerParts {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly tokens: string[] };
  token_to_id(token: string): number | undefined;
  readonly post_processor: { post_process(first: string[], second: string[] | null, addSpecialTokens: boolean): Processed } | null;
}

interface Processed {
  readonly tokens: string[];
  readonly tokens_pair?: string[] | null;
  readonly token_type_ids?: number[];
}
const library = tokenizers as unknown as { readonly Tokenizer: new (definition: object, config: object) => LibraryTokenizer };

/**
 * The tokenizer of a Hugging Face folder, as its tokenizer.json says.
 *
 * @throws Failure `model-invalid` when there is no tokenizer.json or it cannot be used
 */
export function readTokenizer(folder: string): Tokenizer {
  const { path, definition, config } = readTokenizerFiles(folder);
  const found = guard(path, () => new library.Tokenizer(definition, config));

  const prepare = createPreparation(definition['normalizer']);
  const splitText = (text: string): string[] => guard(path, () => found.encode(prepare(text), { add_special_tokens: false }).tokens);
  const toId = (token: string): number => {
    const id = found.token_to_id(token);
    if (isCount(id)) return id;
    throw new Failure('model-invalid', `${path}: the token ${formatValue(token)} has no number in the vocabulary`);
  };
  /** Puts the special tokens of the template around the texts' own ones; some post-processors have none, and leave a pair apart. */
  const assemble = (first: string[], second: string[] | null): { tokens: string[]; typeIds: number[] } => {
    const processed = guard(path, () => found.post_processor?.post_process(first, second, true) ?? { tokens: first, tokens_pair: second });
    const { tokens, tokens_pair: rest, token_type_ids: typeIds = tokens.map(() => 0) } = processed;
    return { tokens: [...tokens, ...(rest ?? [])], typeIds: [...typeIds, ...(rest ?? []).map(() => 1)] };
  };
  const locate = once(() => createLocator({ definition, parts: found, toId, path }));
  const texts = once(() => createTokenTexts(definition, path));
  const front = once(() => assemble([anyToken], null).tokens);
  const specialCounts = [assemble([], null).tokens.length, assemble([], []).tokens.length] as const;

  return {
    encode(text, text2, maxLength) {
      const isPair = text2 !== undefined && text2 !== '';
      const room = maxLength - specialCounts[isPair ? 1 : 0];
      if (room < 0) throw new Failure('configuration-invalid', `maxLength ${maxLength} leaves no room for the special tokens`);
      const first = splitText(text);
      const second = isPair ? splitText(text2) : null;
      const [firstCount, secondCount] = cutPair(first.length, second?.length ?? 0, room);
      const { tokens, typeIds } = assemble(first.slice(0, firstCount), second && second.slice(0, secondCount));
      if (tokens.length > maxLength || typeIds.length !== tokens.length || !typeIds.every(isCount))
        throw new Failure('model-invalid', `${path}: post_processor: expected a template that puts each text in once`);
      return { ids: tokens.map(toId), typeIds, truncated: firstCount < first.length || secondCount < (second?.length ?? 0) };
    },
    encodeSpans({ text, learned: spans, hasBegin = false }, maxLength) {
      const tokens = guard(path, () => locate()(text));
      const begin = front().slice(0, front().indexOf(anyToken)).map(toId);
      const missing = hasBegin || begin.every((id, i) => tokens[i]?.id === id) ? [] : begin;
      const ids = [...missing, ...tokens.map(({ id }) => id)];
      const learned = [...missing.map(() => false), ...markLearned(tokens, spans)];
      return { ids: ids.slice(0, maxLength), learned: learned.slice(0, maxLength), truncated: ids.length > maxLength };
    },
    locate: (text) => guard(path, () => locate()(text)),
    findToken: (token) => found.token_to_id(token) ?? null,
    decode: (ids, options) => texts().decode(ids, options),
    createStream: (options) => texts().createStream(options),
    getBytes: (id) => texts().getBytes(id),
    isAdded: (id) => texts().isAdded(id),
  };
}

/** Stands for the tokens of a text: no vocabulary has it. */
const anyToken = '\0text\0';

/** Made when it is needed first: a tokenizer that only encodes may have no such part. */
function once<T>(create: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: create() }).value;
}

/** Both are in order. */
function markLearned(tokens: readonly LocatedToken[], spans: readonly TokenSpan[]): boolean[] {
  let next = 0;
  return tokens.map(({ span: [start, end] }) => {
    while (next < spans.length && spans[next]![1] <= start) next++;
    return next < spans.length && spans[next]![0] < end;
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** "longest first" as transformers cuts pairs: the longer text shrinks to the shorter one, then both shrink alike, the first one keeping an odd token. */
function cutPair(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second, Math.floor(room / 2));
  return first > second ? [room - shorter, shorter] : [shorter, room - shorter];
}

const astralIdeographs = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/**
 * What the library's BERT normalizer leaves out, where the reference does it: ideographs beyond U+FFFF are words of their own, and
 * a capital sigma becomes the same small letter everywhere.
 */
function createPreparation(normalizer: unknown): (text: string) => string {
  const parts =
    isObject(normalizer) && normalizer['type'] === 'Sequence' && Array.isArray(normalizer['normalizers'])
      ? normalizer['normalizers']
      : [normalizer];
  const bert = parts.filter(isObject).find((part) => part['type'] === 'BertNormalizer');
  if (!bert) return (text) => text;
  return (text) => {
    const spaced = bert['handle_chinese_chars'] === true ? text.replace(astralIdeographs, ' $& ') : text;
    return bert['lowercase'] === true ? spaced.replaceAll('\u03a3', '\u03c3') : spaced;
  };
}

/** The library trusts its files; what it throws at a bad one is not for the reader. */
function guard<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('model-invalid', `${path}: the tokenizer cannot be used (${reason.slice(0, 200)})`, { error });
  }
}

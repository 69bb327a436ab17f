/** The tokens of a text and where each of them stands in it, as the reference library finds them. The JavaScript one does not say where. */
import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { createMapped, parseNormalizer, prependMapped, sliceMapped, type MappedText } from './mapped-text.ts';
import { parseByteToken, toReadable } from './token-text.ts';

/** Parts of the library's tokenizer. */
export interface TokenizerParts {
  readonly pre_tokenizer: ((text: string, options: { readonly section_index: number }) => string[]) | null;
  readonly model: (words: string[]) => string[];
}

/** The UTF-16 units that a token stands for, from the first to before the last. Tokens of parts of one character have its place. */
export type TokenSpan = readonly [start: number, end: number];

export interface LocatedToken {
  readonly id: number;
  readonly span: TokenSpan;
}

export interface OffsetSource {
  readonly definition: Readonly<Record<string, unknown>>;
  readonly parts: TokenizerParts;
  /** The number of a token of the model. */
  readonly toId: (token: string) => number;
  /** Names the tokenizer in errors. */
  readonly path: string;
}

/**
 * Finds the tokens of a text, without those that are put around it. Added tokens that stand in the text, such as <|im_end|>, are themselves.
 * @throws Failure `model-invalid` for a tokenizer of another kind than language models have
 */
export function createLocator({ definition, parts, toId, path }: OffsetSource): (text: string) => LocatedToken[] {
  const normalize = parseNormalizer(definition['normalizer'], path);
  const { asIs, normalized } = parseAddedTokens(definition, (content) => normalize(createMapped(content)).text);
  const locateWords = createWordLocator({ definition, parts, toId, path });
  return (text) =>
    asIs(createMapped(text.toWellFormed())).flatMap((piece) =>
      'id' in piece ? [piece] : normalized(normalize(piece)).flatMap((inner) => ('id' in inner ? [inner] : locateWords(inner))),
    );
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly isSingleWord: boolean;
  readonly takesSpaceBefore: boolean;
  readonly takesSpaceAfter: boolean;
}

type Splitter = (mapped: MappedText) => (LocatedToken | MappedText)[];

/** Some added tokens are looked for in the text as it is, others in the normalized one, normalized like it. */
function parseAddedTokens(
  { added_tokens: found, normalizer }: Readonly<Record<string, unknown>>,
  normalize: (content: string) => string,
): { readonly asIs: Splitter; readonly normalized: Splitter } {
  const all = (Array.isArray(found) ? (found as unknown[]) : []).filter(isObject).map((token) => {
    const isNormalized = (normalizer ?? null) !== null && (token['normalized'] ?? token['special'] !== true) === true;
    const content = String(token['content']);
    return {
      id: token['id'] as number,
      content: isNormalized ? normalize(content) : content,
      isNormalized,
      isSingleWord: token['single_word'] === true,
      takesSpaceBefore: token['lstrip'] === true,
      takesSpaceAfter: token['rstrip'] === true,
    };
  });
  const groups = Object.groupBy(all, ({ isNormalized }) => (isNormalized ? 'normalized' : 'asIs'));
  return { asIs: createSplitter(groups.asIs ?? []), normalized: createSplitter(groups.normalized ?? []) };
}

/** The longest of the tokens that begin at the first place where any does, and so on. */
function createSplitter(tokens: readonly AddedToken[]): Splitter {
  const byContent = new Map(tokens.filter(({ content }) => content !== '').map((token) => [token.content, token]));
  if (byContent.size === 0) return (mapped) => (mapped.text === '' ? [] : [mapped]);
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map((content) => content.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)).join('|'), 'g');
  return (mapped) => {
    const { text } = mapped;
    const pieces: (LocatedToken | MappedText)[] = [];
    let done = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = byContent.get(content)!;
      const place = placeToken(token, text, { index, done });
      if (place === null) continue;
      const [start, end] = place;
      if (start > done) pieces.push(sliceMapped(mapped, done, start));
      pieces.push({ id: token.id, span: [mapped.starts[start]!, mapped.ends[end - 1]!] });
      done = end;
    }
    if (done < text.length) pieces.push(sliceMapped(mapped, done, text.length));
    return pieces;
  };
}

/** Null where it is a part of a longer word and must not be. */
function placeToken(
  { content, isSingleWord, takesSpaceBefore, takesSpaceAfter }: AddedToken,
  text: string,
  { index, done }: { readonly index: number; readonly done: number },
): TokenSpan | null {
  const [before, after] = [text.slice(0, index), text.slice(index + content.length)];
  if (isSingleWord && (wordAtEnd.test(before) || wordAtStart.test(after))) return null;
  const start = takesSpaceBefore ? Math.max(done, before.search(spaceAtEnd)) : index;
  const spaces = takesSpaceAfter ? spaceAtStart.exec(after)![0].length : 0;
  return [start, index + content.length + spaces];
}

const wordAtEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const wordAtStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const spaceAtEnd = /\p{White_Space}*$/u;
const spaceAtStart = /^\p{White_Space}*/u;

function createWordLocator({ definition, parts, toId, path }: OffsetSource): (piece: MappedText) => LocatedToken[] {
  const { model } = definition;
  const unknown = isObject(model) && typeof model['unk_token'] === 'string' ? model['unk_token'] : null;
  const splits = listParts(definition['pre_tokenizer']);
  const isByteLevel = splits.some(({ type }) => type === 'ByteLevel');
  const metaspace = splits.find(({ type }) => type === 'Metaspace');
  const { replacement } = metaspace ?? {};
  const space = metaspace === undefined ? ' ' : typeof replacement === 'string' ? replacement : '\u2581';
  const lost = (word: string): Failure =>
    new Failure('model-invalid', `${path}: the tokens of a text cannot be found in it, at ${JSON.stringify(word.slice(0, 40))}`, {
      hint: 'The tokenizer is not of a language model that this version knows.',
    });
  return (piece) => {
    const readable = metaspace === undefined ? piece : { ...piece, text: piece.text.replaceAll(' ', space) };
    const words = parts.pre_tokenizer?.(piece.text, { section_index: piece.starts[0] === 0 ? 0 : 1 }) ?? [piece.text];
    const tokens: LocatedToken[] = [];
    let done = 0;
    for (const word of words) {
      const found = findWord(readable, isByteLevel ? toReadable(word) : word, { done, space });
      if (found === null) throw lost(word);
      done = found.end;
      const own = parts.model([word]);
      const spans = isByteLevel ? locateBytes(own, word, found.word) : locateCharacters(own, found.word, unknown);
      if (spans === null) throw lost(word);
      spans.forEach((span, i) => tokens.push({ id: toId(own[i]!), span }));
    }
    return tokens;
  };
}

function listParts(part: unknown): Readonly<Record<string, unknown>>[] {
  if (!isObject(part)) return [];
  return Array.isArray(part['pretokenizers']) ? part['pretokenizers'].flatMap(listParts) : [part];
}

/** A word in the piece that it was split from: the next time it stands there, or with a space in front that the text has not. */
function findWord(
  piece: MappedText,
  word: string,
  { done, space }: { readonly done: number; readonly space: string },
): { readonly word: MappedText; readonly end: number } | null {
  const bare = word.slice(space.length);
  const hasLead = !piece.text.startsWith(word, done) && word.startsWith(space) && piece.text.startsWith(bare, done);
  if (hasLead) {
    const end = done + bare.length;
    return { word: prependMapped(sliceMapped(piece, done, end), space), end };
  }
  const start = piece.text.indexOf(word, done);
  return start < 0 ? null : { word: sliceMapped(piece, start, start + word.length), end: start + word.length };
}

/** Each character of a token stands for a byte of the word. Null where that is not so. */
function locateBytes(tokens: readonly string[], bytes: string, word: MappedText): TokenSpan[] | null {
  const { starts, ends } = toByteSpans(word);
  const spans: TokenSpan[] = [];
  let at = 0;
  for (const token of tokens) {
    const start = bytes.indexOf(token, at); // bytes without a token are left out
    if (start < 0 || bytes.length !== starts.length) return null;
    at = start + token.length;
    spans.push([starts[start]!, ends[at - 1]!]);
  }
  return spans;
}

/** The place of the character of each byte. */
function toByteSpans({ text, starts, ends }: MappedText): { readonly starts: ArrayLike<number>; readonly ends: ArrayLike<number> } {
  const bytes = Buffer.byteLength(text);
  if (bytes === text.length) return { starts, ends };
  const found = { starts: new Uint32Array(bytes), ends: new Uint32Array(bytes) };
  let at = 0;
  for (let unit = 0; unit < text.length;) {
    const character = String.fromCodePoint(text.codePointAt(unit)!);
    const next = unit + character.length;
    const end = at + Buffer.byteLength(character);
    found.starts.fill(starts[unit]!, at, end);
    found.ends.fill(ends[next - 1]!, at, end);
    [at, unit] = [end, next];
  }
  return found;
}

/** Tokens are parts of the word, or bytes of one character, or the unknown token for one or more. Null where that is not so. */
function locateCharacters(tokens: readonly string[], { text, starts, ends }: MappedText, unknown: string | null): TokenSpan[] | null {
  const spans: TokenSpan[] = [];
  let unit = 0;
  let byte = 0;
  for (const [i, token] of tokens.entries()) {
    const character = String.fromCodePoint(text.codePointAt(unit) ?? 0);
    const isByte = parseByteToken(token) !== null && !text.startsWith(token, unit);
    const isUnknown = !isByte && token === unknown && !text.startsWith(token, unit);
    const next = isUnknown ? tokens[i + 1] : token;
    const found = isByte
      ? unit
      : next === undefined
        ? text.length
        : next === unknown
          ? unit + character.length
          : text.indexOf(next, isUnknown ? unit + 1 : unit);
    if (found < 0 || unit >= text.length) return null;
    const start = isUnknown ? unit : found;
    const end = isByte ? unit + character.length : isUnknown ? found : found + token.length;
    spans.push([starts[start]!, ends[end - 1]!]);
    if (isByte) byte = (byte + 1) % Buffer.byteLength(character);
    if (!isByte || byte === 0) unit = end;
  }
  return spans;
}

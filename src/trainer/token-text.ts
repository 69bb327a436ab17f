/** The text of tokens: what a model has written, token by token or at once. */
import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';

export interface DecodeOptions {
  /** Special tokens, such as the end of a turn, are left out unless they are kept. */
  readonly keepsSpecial?: boolean;
  /** The text goes on after another one: the space before its first word stays, which is no part of a text of its own. */
  readonly isContinuation?: boolean;
}

/** A text that grows with each token. What it has given together is what `decode` gives of all tokens. */
export interface TextStream {
  /** What is certain of the text now: nothing where a character is not complete. */
  push(id: number): string;
  /** The rest; halves of characters become U+FFFD. */
  end(): string;
}

export interface TokenTexts {
  decode(ids: readonly number[], options?: DecodeOptions): string;
  createStream(options?: DecodeOptions): TextStream;
  /** The bytes (UTF-8) that a token adds to a text; null for a special token, and for a number without a token. */
  getBytes(id: number): Uint8Array | null;
  /** Whether it was added to the vocabulary as it is, special or not. A text is taken apart at these tokens. */
  isAdded(id: number): boolean;
}

/** What the decoder of a tokenizer.json does. */
interface Style {
  /** Each character of a token stands for a byte. */
  readonly isByteLevel: boolean;
  /** Tokens such as <0x0A> are bytes. */
  readonly hasByteTokens: boolean;
  readonly replacements: readonly (readonly [from: string, to: string])[];
  /** What stands before the first word and is no part of the text: a character, and how often at most. */
  readonly lead: readonly [character: string, count: number] | null;
}

interface Vocabulary {
  readonly tokens: ReadonlyMap<number, string>;
  readonly added: ReadonlyMap<number, { readonly content: string; readonly isSpecial: boolean }>;
}

/**
 * The texts of a tokenizer.json's tokens, as the reference library gives them, except for an added token with letters beyond ASCII in a byte-level
 * vocabulary: it is the text that it was added as.
 *
 * @throws Failure `model-invalid` for a decoder of another kind than language models have
 */
export function createTokenTexts(definition: Readonly<Record<string, unknown>>, path: string): TokenTexts {
  const style = parseDecoder(definition['decoder'], path);
  const vocabulary = readVocabulary(definition);
  const toBytes = (id: number): Uint8Array | null => {
    const added = vocabulary.added.get(id)?.content;
    const token = added ?? vocabulary.tokens.get(id);
    if (token === undefined) return null;
    if (style.isByteLevel && added === undefined) return Uint8Array.from(token, (character) => byteOf.get(character) ?? 0x3f);
    const byte = style.hasByteTokens ? parseByteToken(token) : null;
    return byte === null ? encoder.encode(replaceAll(token, style.replacements)) : Uint8Array.of(byte);
  };
  const createStream = ({ keepsSpecial = false, isContinuation = false }: DecodeOptions = {}): TextStream => {
    const join = style.isByteLevel ? joinBytes() : joinByteRuns();
    const cutLead = createLeadCutter(isContinuation ? null : style.lead);
    return {
      push(id) {
        if (!keepsSpecial && vocabulary.added.get(id)?.isSpecial === true) return '';
        const bytes = toBytes(id);
        const isByte = style.hasByteTokens && parseByteToken(vocabulary.tokens.get(id) ?? '') !== null;
        return bytes === null ? '' : cutLead(join.push(bytes, isByte));
      },
      end: () => cutLead(join.end()),
    };
  };
  return {
    createStream,
    decode(ids, options) {
      const stream = createStream(options);
      return ids.map((id) => stream.push(id)).join('') + stream.end();
    },
    getBytes: (id) => (vocabulary.added.get(id)?.isSpecial === true ? null : toBytes(id)),
    isAdded: (id) => vocabulary.added.has(id),
  };
}

const encoder = new TextEncoder();

interface Joiner {
  push(bytes: Uint8Array, isByte: boolean): string;
  end(): string;
}

/** Characters whose bytes are in several tokens wait for all of them. */
function joinBytes(): Joiner {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return { push: (bytes) => decoder.decode(bytes, { stream: true }), end: () => decoder.decode() };
}

/** Tokens of single bytes that follow each other are characters together; where they are none, each of them becomes U+FFFD. */
function joinByteRuns(): Joiner {
  let run: number[] = [];
  const end = (): string => {
    const bytes = Uint8Array.from(run);
    run = [];
    try {
      return strictDecoder.decode(bytes);
    } catch {
      return '\ufffd'.repeat(bytes.length);
    }
  };
  return {
    push(bytes, isByte) {
      if (!isByte) return end() + strictDecoder.decode(bytes);
      run.push(...bytes);
      return '';
    },
    end,
  };
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function createLeadCutter(lead: Style['lead']): (text: string) => string {
  let left = lead?.[1] ?? 0;
  return (text) => {
    let rest = text;
    while (left > 0 && rest !== '') {
      const isLead = lead !== null && rest.startsWith(lead[0]);
      left = isLead ? left - 1 : 0;
      if (isLead) rest = rest.slice(lead[0].length);
    }
    return rest;
  };
}

function parseDecoder(decoder: unknown, path: string): Style {
  const refuse = (part: unknown): Failure =>
    new Failure(
      'model-invalid',
      `${path}: decoder: expected ByteLevel, Metaspace, Replace, ByteFallback, Fuse or Strip, found ${formatValue(part)}`,
      {
        hint: 'The tokenizer is not of a language model that this version knows.',
      },
    );
  const parts = isObject(decoder) && Array.isArray(decoder['decoders']) ? (decoder['decoders'] as unknown[]) : [decoder];
  let style: Style = { isByteLevel: false, hasByteTokens: false, replacements: [], lead: null };
  for (const part of parts) {
    const change = isObject(part) ? parsePart(part) : null;
    if (change === null) throw refuse(isObject(part) ? part['type'] : part);
    style = { ...style, ...change, replacements: [...style.replacements, ...(change.replacements ?? [])] };
  }
  return style;
}

/** Null for a part that is not known. */
function parsePart(part: Readonly<Record<string, unknown>>): Partial<Style> | null {
  const { type, pattern, content, start, stop } = part;
  switch (type) {
    case 'ByteLevel':
      return { isByteLevel: true };
    case 'ByteFallback':
      return { hasByteTokens: true };
    case 'Fuse':
      return {};
    case 'Replace': {
      const from = isObject(pattern) ? pattern['String'] : undefined;
      return typeof from === 'string' && typeof content === 'string' ? { replacements: [[from, content]] } : null;
    }
    case 'Strip':
      return typeof content === 'string' && typeof start === 'number' && stop === 0 ? { lead: [content, start] } : null;
    case 'Metaspace': {
      const { replacement = '\u2581', prepend_scheme: scheme = 'always' } = part;
      if (typeof replacement !== 'string') return null;
      return { replacements: [[replacement, ' ']], lead: scheme === 'never' ? null : [' ', 1] };
    }
    default:
      return null;
  }
}

function readVocabulary({ model, added_tokens: added }: Readonly<Record<string, unknown>>): Vocabulary {
  const own = isObject(model) && isObject(model['vocab']) ? Object.entries(model['vocab']) : [];
  const others = Array.isArray(added) ? (added as unknown[]).filter(isObject) : [];
  return {
    tokens: new Map(own.map(([token, id]) => [id as number, token])),
    added: new Map(others.map(({ id, content, special }) => [id as number, { content: String(content), isSpecial: special === true }])),
  };
}

function replaceAll(token: string, replacements: Style['replacements']): string {
  return replacements.reduce((text, [from, to]) => text.replaceAll(from, () => to), token);
}

/** The byte of a token such as <0x0A>; null for another token. */
export function parseByteToken(token: string): number | null {
  const digits = token.length === 6 ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1] : undefined;
  return digits === undefined ? null : Number.parseInt(digits, 16);
}

/** The characters that stand for bytes in a byte-level vocabulary: themselves where they can be seen, others from U+0100 on in the order of the bytes. */
const byteOf: ReadonlyMap<string, number> = (() => {
  const isVisible = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const hidden = bytes.filter((byte) => !isVisible(byte));
  const toCharacter = (byte: number): string => String.fromCharCode(isVisible(byte) ? byte : 256 + hidden.indexOf(byte));
  return new Map(bytes.map((byte) => [toCharacter(byte), byte]));
})();

/** A word of a byte-level vocabulary as the text that it stands for. */
export function toReadable(word: string): string {
  return lossyDecoder.decode(Uint8Array.from(word, (character) => byteOf.get(character) ?? 0x3f));
}

const lossyDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

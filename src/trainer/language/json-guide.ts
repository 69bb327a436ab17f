import { Failure } from '../../errors.ts';
import { createJsonAcceptor, mayEnd, type JsonAcceptor, type Stack, type Thread } from './json-acceptor.ts';
import { measureCosts } from './json-costs.ts';
import { parseJsonSchema } from './json-rules.ts';
import { continueString, type StringPart } from './json-strings.ts';
import { buildByteTree, type ByteTree, type TokenBytes } from './byte-tree.ts';

/** Says, token by token, how an answer may go on. */
export interface TokenGuide {
  /** Whether this token may be next; false for tokens that write nothing, such as the one that ends the answer. */
  allows(id: number): boolean;
  /** Whether the answer may end here. It must, where no token is allowed. */
  mayEnd(): boolean;
  /** Takes over the token that was chosen. */
  advance(id: number): void;
}

/** Guides for the answers of one tokenizer. */
export interface JsonGuides {
  /**
   * A guide for one answer: JSON that the schema allows (see `parseJsonSchema`), complete after at most `maxTokens` tokens. Where few are
   * left, only tokens are allowed after which the rest suffices to end the answer, so that none is ever cut in the middle.
   * @throws Failure `data-invalid` for a schema that cannot be followed, or that needs more tokens
   */
  start(schema: unknown, maxTokens: number): TokenGuide;
}

/** Tokens as bits, and the most tokens that an answer may still need after one of them. */
interface Choice {
  readonly bits: Uint32Array;
  readonly mostCost: number;
}

/** What is looked up at each step, prepared once a tokenizer. */
interface Vocabulary {
  readonly tokens: TokenBytes;
  readonly tree: ByteTree;
  /** Tokens of whole characters that mean nothing to JSON, by the number of their characters: within a string they are all alike. */
  readonly plain: ReadonlyMap<number, readonly number[]>;
  /** All others. */
  readonly special: ByteTree;
  /** Whether each byte of a character is a token. */
  readonly canSplit: boolean;
}

const mostSchemas = 16;
/** Of a state each; of 150,000 tokens they are 10 megabytes. */
const mostChoices = 512;

/**
 * Prepares the guides of a tokenizer: some 100 milliseconds for 50,000 tokens.
 * @param texts by the number of a token the bytes (UTF-8) that it writes; null where it writes nothing, as special tokens do
 * @throws Failure `model-invalid` where the tokenizer cannot write each character of JSON alone
 */
export function createJsonGuides(texts: readonly (Uint8Array | null)[]): JsonGuides {
  const vocabulary = buildVocabulary(texts.map((bytes) => (bytes === null ? null : Buffer.from(bytes).toString('latin1'))));
  const schemas = new Map<string, SchemaGuide>();
  return {
    start(schema, maxTokens) {
      const key = JSON.stringify(schema) ?? '';
      const guide = schemas.get(key) ?? createSchemaGuide(schema, vocabulary);
      schemas.delete(key);
      schemas.set(key, guide); // the last one is the newest
      if (schemas.size > mostSchemas) schemas.delete(schemas.keys().next().value!);
      return startGuide(guide, vocabulary, maxTokens);
    },
  };
}

interface SchemaGuide {
  readonly acceptor: JsonAcceptor;
  /** The tokens that may follow, where `left` further ones may follow them. */
  choose(thread: Stack, left: number): Uint32Array;
}

function startGuide({ acceptor, choose }: SchemaGuide, { tokens }: Vocabulary, maxTokens: number): TokenGuide {
  const cost = acceptor.start[0]?.cost ?? Infinity;
  if (cost > maxTokens) {
    const needed = cost === Infinity ? 'its schema allows no answer that this model can write' : `an answer may need ${cost} at least`;
    throw new Failure('data-invalid', `answers as JSON: ${needed}, and ${maxTokens} tokens are allowed`, {
      hint: 'allow longer answers (evaluation.generation.maxTokens), or a simpler schema',
    });
  }
  let threads = acceptor.start;
  let used = 0;
  let chosen: Uint32Array | null = null;
  const getChosen = (): Uint32Array => {
    const left = maxTokens - used - 1;
    const all = threads.flatMap((thread) => (thread === null || left < 0 ? [] : [choose(thread, left)]));
    return all.length === 1 ? all[0]! : uniteBits(all, tokens.length);
  };
  return {
    allows(id) {
      chosen ??= getChosen();
      return ((chosen[id >>> 5] ?? 0) & (1 << (id & 31))) !== 0;
    },
    mayEnd: () => mayEnd(threads),
    advance(id) {
      if (!this.allows(id)) throw new Error(`token ${id} is not allowed here`);
      for (const char of tokens[id]!) threads = acceptor.step(threads, char.charCodeAt(0));
      used += 1;
      chosen = null;
    },
  };
}

function createSchemaGuide(schema: unknown, vocabulary: Vocabulary): SchemaGuide {
  const rule = parseJsonSchema(schema);
  const costs = measureCosts(rule, (text) => countTokens(text, vocabulary.tree));
  const acceptor = createJsonAcceptor(rule, costs, vocabulary.canSplit);
  const choices = new Map<string, Choice>();
  const recall = (key: string, find: () => Choice): Choice => {
    const known = choices.get(key) ?? find();
    choices.delete(key);
    choices.set(key, known);
    if (choices.size > mostChoices) choices.delete(choices.keys().next().value!);
    return known;
  };
  return {
    acceptor,
    choose(thread, left) {
      const key = acceptor.getKey(thread);
      const all = recall(key, () => findChoice(thread, Infinity, { acceptor, vocabulary }));
      if (all.mostCost <= left) return all.bits;
      return recall(`${left} ${key}`, () => findChoice(thread, left, { acceptor, vocabulary })).bits;
    },
  };
}

interface ChoiceTools {
  readonly acceptor: JsonAcceptor;
  readonly vocabulary: Vocabulary;
}

/** The tokens after which `left` further ones suffice. */
function findChoice(thread: Stack, left: number, { acceptor, vocabulary }: ChoiceTools): Choice {
  const bits = new Uint32Array((vocabulary.tokens.length + 31) >>> 5);
  let mostCost = 0;
  const add = (ids: readonly number[], cost: number): void => {
    if (cost > left) return;
    mostCost = Math.max(mostCost, cost);
    for (const id of ids) bits[id >>> 5]! |= 1 << (id & 31);
  };
  const plainCost = getPlainCost(thread, left);
  if (plainCost !== null) {
    for (const [count, ids] of vocabulary.plain) add(ids, plainCost(count));
  }
  const { bytes, children, siblings, ends } = plainCost === null ? vocabulary.tree : vocabulary.special;
  const visit = (parent: number, threads: readonly Thread[]): void => {
    for (let node = children[parent]!; node !== -1; node = siblings[node]!) {
      const next = acceptor.step(threads, bytes[node]!);
      if (next.length === 0) continue;
      const ids = ends[node];
      if (ids !== undefined) add(ids, Math.min(...next.map((one) => one?.cost ?? 0)));
      visit(node, next);
    }
  };
  visit(0, [thread]);
  return { bits, mostCost };
}

/** Inside a string: what an answer needs after so many characters more; null elsewhere, where tokens have to be tried. */
function getPlainCost({ frame, below }: Stack, left: number): ((count: number) => number) | null {
  const after = 1 + (below?.cost ?? 0);
  if (frame.type === 'string' && frame.part === 'text') {
    const { shortest, longest } = frame.rule;
    return (count) => (frame.count + count > longest ? Infinity : after + Math.max(0, shortest - frame.count - count));
  }
  if (frame.type !== 'name' || frame.part !== 'text') return null;
  if (frame.text === null) return () => after;
  return left === Infinity ? () => after + 1 : null; // a name that may not stay as it is needs one character more
}

function uniteBits(all: readonly Uint32Array[], tokens: number): Uint32Array {
  const united = new Uint32Array((tokens + 31) >>> 5);
  for (const bits of all) for (const [i, word] of bits.entries()) united[i]! |= word;
  return united;
}

function buildVocabulary(tokens: TokenBytes): Vocabulary {
  const ids = [...tokens.keys()].filter((id) => (tokens[id]?.length ?? Infinity) <= mostBytes);
  const alone = new Set(ids.map((id) => tokens[id]!).filter((text) => text.length === 1));
  const isAlone = (byte: number): boolean => alone.has(String.fromCharCode(byte));
  const missing = range(0x21, 0x7e).find((byte) => !isAlone(byte));
  if (missing !== undefined) {
    throw new Failure(
      'model-invalid',
      `the tokenizer has no token for "${String.fromCharCode(missing)}" alone, as answers as JSON need it`,
    );
  }
  const counts = new Map(ids.map((id) => [id, countPlainCharacters(tokens[id]!)]));
  const plain = Map.groupBy(ids, (id) => counts.get(id) ?? -1);
  const special = plain.get(-1) ?? [];
  plain.delete(-1);
  return {
    tokens,
    tree: buildByteTree(tokens, ids),
    plain,
    special: buildByteTree(tokens, special),
    canSplit: range(0x80, 0xbf).every(isAlone),
  };
}

/** Longer tokens are never used. */
const mostBytes = 1000;

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Null where a token has a quote, an escape or a control character, or a part of a character. */
function countPlainCharacters(text: string): number | null {
  let part: StringPart = 'text';
  let count = 0;
  for (const char of text) {
    const next: StringPart | null = char === '"' || char === '\\' ? null : continueString(part, char.charCodeAt(0));
    if (next === null) return null;
    part = next;
    if (part === 'text') count += 1;
  }
  return part === 'text' && count > 0 ? count : null;
}

/** The fewest tokens that write the rest of a text, from each byte on. */
function countTokens(text: string, { bytes, children, siblings, ends }: ByteTree): number[] {
  const counts = Array.from({ length: text.length + 1 }, () => Infinity);
  counts[text.length] = 0;
  for (let from = text.length - 1; from >= 0; from--) {
    let parent = 0;
    for (let at = from; at < text.length && parent !== -1; at++) {
      let node = children[parent]!;
      while (node !== -1 && bytes[node] !== text.charCodeAt(at)) node = siblings[node]!;
      if (node !== -1 && ends[node] !== undefined) counts[from] = Math.min(counts[from]!, 1 + counts[at + 1]!);
      parent = node;
    }
  }
  return counts;
}

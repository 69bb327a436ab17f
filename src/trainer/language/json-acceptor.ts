/**
 * Reads an answer byte by byte and knows which values it can still become: a pushdown automaton. Where a value may be one of several, each is
 * followed until the text says which it is. From every state a valid value can be completed.
 *
 * Nothing is written between the parts of a value but one space, where the writer wants it, before the value, after a comma and after a
 * colon: `{"a":1,"b":2}` and `{"a": 1, "b": 2}`.
 */
import { countNameTokens, getItem, listRules, type JsonCosts } from './json-costs.ts';
import { beginNumber, continueNumber, countMissing, mayEndNumber, type NumberState } from './json-numbers.ts';
import { listAlternatives, type ArrayRule, type JsonRule, type LiteralRule, type ObjectRule, type StringRule } from './json-rules.ts';
import { continueString, countMissingBytes, isInsideCharacter, type StringPart } from './json-strings.ts';

/** What is being written. */
export type Frame =
  /** A value is next. */
  | { readonly type: 'start'; readonly rule: JsonRule; readonly maySpace: boolean }
  | { readonly type: 'literal'; readonly rule: LiteralRule; readonly at: number }
  | { readonly type: 'string'; readonly rule: StringRule; readonly part: StringPart; readonly count: number }
  /** The name of a property that has no rule of its own; `text` is null where it can no longer become a name that has one. */
  | { readonly type: 'name'; readonly rule: ObjectRule; readonly part: StringPart; readonly text: string | null }
  | { readonly type: 'number'; readonly rule: Extract<JsonRule, { type: 'number' }>; readonly state: NumberState }
  | ObjectFrame
  | { readonly type: 'array'; readonly rule: ArrayRule; readonly count: number; readonly isOpen: boolean };

/** `{` is written, a name (its value is `of`), a value, or a comma; properties from `next` on may follow. */
interface ObjectFrame {
  readonly type: 'object';
  readonly rule: ObjectRule;
  readonly next: number;
  readonly part: 'open' | 'colon' | 'value' | 'comma' | 'comma-space';
  readonly of: JsonRule | null;
}

/** A frame and those around it, the nearest first. */
export interface Stack {
  readonly frame: Frame;
  readonly below: Stack | null;
  /** Tokens that suffice for the rest of the answer. */
  readonly cost: number;
  /** Equal where the same texts may follow. */
  key: string | null;
}

/** One way to read the answer so far: null where it is complete. */
export type Thread = Stack | null;

export interface JsonAcceptor {
  readonly start: readonly Thread[];
  /** The threads after one more byte; none where it may not follow. */
  step(threads: readonly Thread[], byte: number): readonly Thread[];
  getKey(thread: Thread): string;
}

/** More ways to read one text than this are not followed, but for those of single texts, which become fewer with each byte: each can be completed. */
const mostThreads = 64;
const mostTexts = 4096;

/** Whether the answer may end here. */
export function mayEnd(threads: readonly Thread[]): boolean {
  return threads.some(
    (thread) =>
      thread === null || (thread.below === null && thread.frame.type === 'number' && mayEndNumber(thread.frame.rule, thread.frame.state)),
  );
}

/** @param canSplit whether the tokenizer has a token for each byte of a character */
export function createJsonAcceptor(root: JsonRule, costs: JsonCosts, canSplit: boolean): JsonAcceptor {
  const ids = new Map(listRules(root).map((rule, id) => [rule, id]));

  const push = (frame: Frame, below: Stack | null): Thread[] => {
    const cost = countTokens(frame) + (below?.cost ?? 0);
    return cost === Infinity ? [] : [{ frame, below, cost, key: null }];
  };

  const countTokens = (frame: Frame): number => {
    switch (frame.type) {
      case 'start':
        return costs.ofValue(frame.rule);
      case 'literal':
        return costs.ofLiteral(frame.rule, frame.at);
      case 'string':
        return countCharacter(frame.part) + Math.max(0, frame.rule.shortest - frame.count - (frame.part === 'text' ? 0 : 1)) + 1;
      case 'name':
        return countCharacter(frame.part) + (frame.part === 'text' ? countNameTokens(frame.rule, frame.text) : 2);
      case 'number':
        return countMissing(frame.rule, frame.state);
      case 'object': {
        const { open, colon, value, comma } = costs.ofObject(frame.rule, frame.next);
        if (frame.part === 'colon') return colon + costs.ofValue(frame.of!);
        return frame.part === 'open' ? open : frame.part === 'value' ? value : comma;
      }
      case 'array': {
        const { open, value } = costs.ofArray(frame.rule, frame.count);
        return frame.isOpen ? open : value;
      }
    }
  };
  const countCharacter = (part: StringPart): number => (isInsideCharacter(part) && !canSplit ? Infinity : countMissingBytes(part));

  const begin = (rule: JsonRule, below: Stack | null, byte: number): Thread[] =>
    listAlternatives(rule).flatMap((one): Thread[] => {
      switch (one.type) {
        case 'literal':
          return continueLiteral(one, 0, below, byte);
        case 'number': {
          const state = beginNumber(one, byte);
          return state === null ? [] : push({ type: 'number', rule: one, state }, below);
        }
        case 'string':
          return byte === quote ? push({ type: 'string', rule: one, part: 'text', count: 0 }, below) : [];
        case 'object':
          return byte === 0x7b ? push({ type: 'object', rule: one, next: 0, part: 'open', of: null }, below) : [];
        case 'array':
          return byte === 0x5b ? push({ type: 'array', rule: one, count: 0, isOpen: true }, below) : [];
      }
    });

  const continueLiteral = (rule: LiteralRule, at: number, below: Stack | null, byte: number): Thread[] => {
    if (rule.text.charCodeAt(at) !== byte) return [];
    return at + 1 === rule.text.length ? [below] : push({ type: 'literal', rule, at: at + 1 }, below);
  };

  const continueObject = (frame: ObjectFrame, below: Stack | null, byte: number): Thread[] => {
    const { rule, next, part, of } = frame;
    const { properties } = rule;
    if (part === 'colon') {
      if (byte !== 0x3a) return [];
      return push({ ...frame, part: 'value', of: null }, below).flatMap((after) =>
        push({ type: 'start', rule: of!, maySpace: true }, after),
      );
    }
    const firstNeeded = properties.findIndex(({ isRequired }, i) => i >= next && isRequired);
    if (byte === 0x7d && part !== 'comma' && part !== 'comma-space') return firstNeeded === -1 ? [below] : [];
    if (part === 'value') return byte === 0x2c ? push({ ...frame, part: 'comma' }, below) : [];
    if (part === 'comma' && byte === 0x20) return push({ ...frame, part: 'comma-space' }, below);
    if (byte !== quote) return [];
    const last = firstNeeded === -1 ? properties.length - 1 : firstNeeded;
    const known = properties
      .slice(next, last + 1)
      .flatMap((property, i) =>
        push({ ...frame, part: 'colon', next: next + i + 1, of: property.rule }, below).flatMap((after) =>
          continueLiteral(property.name, 0, after, byte),
        ),
      );
    if (rule.further === null || firstNeeded !== -1) return known;
    const afterName = push({ ...frame, part: 'colon', next: properties.length, of: rule.further }, below);
    return [...known, ...afterName.flatMap((after) => push({ type: 'name', rule, part: 'text', text: '' }, after))];
  };

  const continueArray = (frame: Extract<Frame, { type: 'array' }>, below: Stack | null, byte: number): Thread[] => {
    const { rule, count, isOpen } = frame;
    if (byte === 0x5d) return count >= rule.fewest ? [below] : [];
    const item = getItem(rule, count);
    if (item === null || (!isOpen && byte !== 0x2c)) return [];
    // Counts that make no difference are equal, so that their states are.
    const next = rule.most === Infinity ? Math.min(count + 1, Math.max(rule.fewest, rule.first.length)) : count + 1;
    return push({ type: 'array', rule, count: next, isOpen: false }, below).flatMap((after) =>
      isOpen ? begin(item, after, byte) : push({ type: 'start', rule: item, maySpace: true }, after),
    );
  };

  const stepThread = (thread: Thread, byte: number): Thread[] => {
    if (thread === null) return [];
    const { frame, below } = thread;
    switch (frame.type) {
      case 'start':
        if (byte === 0x20) return frame.maySpace ? push({ ...frame, maySpace: false }, below) : [];
        return begin(frame.rule, below, byte);
      case 'literal':
        return continueLiteral(frame.rule, frame.at, below, byte);
      case 'string': {
        const { rule, part, count } = frame;
        if (part === 'text' && byte === quote) return count >= rule.shortest ? [below] : [];
        const next = part === 'text' && count >= rule.longest ? null : continueString(part, byte);
        if (next === null) return [];
        const written = next !== 'text' || (rule.longest === Infinity && count >= rule.shortest) ? count : count + 1;
        if (next === part && written === count) return [thread];
        return push({ type: 'string', rule, part: next, count: written }, below);
      }
      case 'name': {
        const { rule, part, text } = frame;
        if (part === 'text' && byte === quote) return countNameTokens(rule, text) === 1 ? [below] : [];
        const next = byte === 0x5c ? null : continueString(part, byte);
        if (next === null) return [];
        if (next === part && text === null) return [thread];
        const longer = text === null ? null : `${text}${String.fromCharCode(byte)}`;
        const isKnown = longer !== null && rule.properties.some(({ name }) => name.text.startsWith(`"${longer}`));
        return push({ ...frame, part: next, text: isKnown ? longer : null }, below);
      }
      case 'number': {
        const state = continueNumber(frame.rule, frame.state, byte);
        const longer = state === null ? [] : push({ ...frame, state }, below);
        return mayEndNumber(frame.rule, frame.state) ? [...longer, ...stepThread(below, byte)] : longer;
      }
      case 'object':
        return continueObject(frame, below, byte);
      case 'array':
        return continueArray(frame, below, byte);
    }
  };

  const getKey = (thread: Thread): string => {
    if (thread === null) return '';
    thread.key ??= `${formatFrame(thread.frame, ids)};${getKey(thread.below)}`;
    return thread.key;
  };

  return {
    start: push({ type: 'start', rule: root, maySpace: true }, null),
    step(threads, byte) {
      const next = threads.length === 1 ? stepThread(threads[0]!, byte) : threads.flatMap((thread) => stepThread(thread, byte));
      if (next.length < 2) return next;
      const different = [...new Map(next.map((thread) => [getKey(thread), thread])).values()];
      if (different.length <= mostThreads) return different;
      const [texts, others] = [true, false].map((isText) => different.filter((thread) => (thread?.frame.type === 'literal') === isText));
      return [...others!.slice(0, mostThreads), ...texts!.slice(0, mostTexts)];
    },
    getKey,
  };
}

const quote = 0x22;

function formatFrame(frame: Frame, ids: ReadonlyMap<JsonRule, number>): string {
  const name = `${frame.type} ${ids.get(frame.rule)}`;
  switch (frame.type) {
    case 'start':
      return `${name} ${frame.maySpace}`;
    case 'literal':
      return `${name} ${frame.at}`;
    case 'string':
      return `${name} ${frame.part} ${frame.count}`;
    case 'name':
      return `${name} ${frame.part} ${frame.text === null ? '' : JSON.stringify(frame.text)}`;
    case 'number': {
      const { part, isNegative, count, digits } = frame.state;
      return `${name} ${part} ${isNegative} ${count} ${digits}`;
    }
    case 'object':
      return `${name} ${frame.part} ${frame.next} ${frame.of === null ? '' : ids.get(frame.of)}`;
    case 'array':
      return `${name} ${frame.count} ${frame.isOpen}`;
  }
}

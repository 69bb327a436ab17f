/** How many tokens the rest of an answer needs at most, so that it can end before its tokens are used up. */
import { beginNumber, countMissing } from './json-numbers.ts';
import { listAlternatives, type ArrayRule, type JsonRule, type LiteralRule, type ObjectRule } from './json-rules.ts';

/** Tokens that suffice; infinite where the tokenizer cannot write it, or it has no end. */
export interface JsonCosts {
  readonly ofValue: (rule: JsonRule) => number;
  /** The rest of a literal from a byte on. */
  readonly ofLiteral: (rule: LiteralRule, from: number) => number;
  readonly ofObject: (rule: ObjectRule, next: number) => ObjectCosts;
  readonly ofArray: (rule: ArrayRule, count: number) => PartCosts;
}

/** The rest of a list or an object after `{` or `[`, after a value, and after a comma. */
interface PartCosts {
  readonly open: number;
  readonly value: number;
  readonly comma: number;
}

/** Of an object whose properties from `next` on may still be written; `colon` is after a name, and without the value behind it. */
interface ObjectCosts extends PartCosts {
  readonly colon: number;
}

/** How many tokens write the rest of a text from each byte on, to be asked once a literal. */
export type CountTokens = (text: string) => readonly number[];

/** All rules that a rule leads to. */
export function listRules(root: JsonRule): JsonRule[] {
  const rules = new Set<JsonRule>([root]);
  for (const rule of rules) {
    if (rule.type === 'union') for (const one of rule.rules) rules.add(one);
    if (rule.type === 'array') for (const one of [...rule.first, rule.rest]) if (one !== null) rules.add(one);
    if (rule.type !== 'object') continue;
    for (const { name, rule: own } of rule.properties) rules.add(name).add(own);
    if (rule.further !== null) rules.add(rule.further);
  }
  return [...rules];
}

/** The items of an array of which the one with this number may be; null where there is none. */
export function getItem({ first, rest, most }: ArrayRule, index: number): JsonRule | null {
  return index < most ? (first[index] ?? rest) : null;
}

/** Names of further properties are written without escapes: the shortest is empty, unless that is a name with a rule of its own. */
export function countNameTokens({ properties }: ObjectRule, text: string | null): number {
  return text !== null && properties.some(({ name }) => name.text === `"${text}"`) ? 2 : 1;
}

export function measureCosts(root: JsonRule, countTokens: CountTokens): JsonCosts {
  const rules = listRules(root);
  const literals = new Map(rules.filter((rule) => rule.type === 'literal').map((rule) => [rule, countTokens(rule.text)]));
  const known = new Map<JsonRule, number>();
  const ofValue = (rule: JsonRule): number => known.get(rule) ?? Infinity;
  const ofLiteral = (rule: LiteralRule, from: number): number => literals.get(rule)![from]!;

  const ofObject = (rule: ObjectRule, next: number): ObjectCosts => {
    const toCost = ({ name, rule: own }: ObjectRule['properties'][number]): number => ofLiteral(name, 0) + 1 + ofValue(own);
    const left = rule.properties.slice(next);
    const needed = left.filter(({ isRequired }) => isRequired);
    const ofNeeded = needed.reduce((sum, property) => sum + toCost(property), 0);
    const value = ofNeeded + needed.length + 1;
    const further = rule.further === null ? Infinity : 2 + countNameTokens(rule, '') + ofValue(rule.further);
    const any = Math.min(further, ...left.map(toCost));
    return { value, colon: 1 + value, open: ofNeeded + Math.max(0, needed.length - 1) + 1, comma: needed.length > 0 ? value - 1 : any + 1 };
  };

  const ofArray = (rule: ArrayRule, count: number): PartCosts => {
    const ofItem = (index: number): number => {
      const item = getItem(rule, index);
      return item === null ? Infinity : ofValue(item);
    };
    const toRest = (from: number): number => {
      let cost = 1;
      for (let i = from; i < Math.min(rule.fewest, rule.first.length); i++) cost += 1 + ofItem(i);
      const more = rule.fewest - Math.max(from, rule.first.length);
      return more > 0 ? cost + more * (1 + ofItem(rule.fewest - 1)) : cost;
    };
    return { value: toRest(count), open: rule.fewest === 0 ? 1 : ofItem(0) + toRest(1), comma: ofItem(count) + toRest(count + 1) };
  };

  const measure = (rule: JsonRule): number => {
    switch (rule.type) {
      case 'literal':
        return ofLiteral(rule, 0);
      case 'string':
        return rule.shortest > rule.longest ? Infinity : rule.shortest + 2;
      case 'number':
        return countNumberTokens(rule);
      case 'object':
        return 1 + ofObject(rule, 0).open;
      case 'array':
        return rule.fewest > rule.most ? Infinity : 1 + ofArray(rule, 0).open;
      case 'union':
        return Math.min(...listAlternatives(rule).map(ofValue));
    }
  };
  // A rule may hold itself: costs fall until they are those of the shortest values.
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (const rule of rules) {
      const cost = measure(rule);
      if (cost < ofValue(rule)) isChanged = true;
      known.set(rule, cost);
    }
  }
  return { ofValue, ofLiteral, ofObject, ofArray };
}

function countNumberTokens(rule: Extract<JsonRule, { type: 'number' }>): number {
  const begins = Array.from('-0123456789', (char) => beginNumber(rule, char.charCodeAt(0))).filter((state) => state !== null);
  return Math.min(...begins.map((state) => 1 + countMissing(rule, state)));
}

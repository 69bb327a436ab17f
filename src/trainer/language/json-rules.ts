import { Failure } from '../../errors.ts';
import { isObject, isWithinDepth } from '../../lib/json.ts';
import { formatValue } from '../../lib/text.ts';
import { buildNumberRule, type NumberRule } from './json-numbers.ts';

/** Which values an answer may be: what a JSON Schema says, in the few forms that are written byte by byte. */
export type JsonRule = StringRule | (NumberRule & { readonly type: 'number' }) | LiteralRule | ObjectRule | ArrayRule | UnionRule;

export interface StringRule {
  readonly type: 'string';
  /** In characters (code points). */
  readonly shortest: number;
  readonly longest: number;
}

/** `true`, `null`, a string or number of an enumeration: its one text, as UTF-8 bytes in a Latin-1 string. */
export interface LiteralRule {
  readonly type: 'literal';
  readonly text: string;
}

export interface ObjectRule {
  readonly type: 'object';
  /** In the order in which they are written. */
  readonly properties: readonly PropertyRule[];
  /** Of every further property; null: there are none. */
  readonly further: JsonRule | null;
}

export interface PropertyRule {
  readonly name: LiteralRule;
  readonly rule: JsonRule;
  readonly isRequired: boolean;
}

export interface ArrayRule {
  readonly type: 'array';
  /** Of the first items, one each. */
  readonly first: readonly JsonRule[];
  /** Of the items after them; null: there are none. */
  readonly rest: JsonRule | null;
  readonly fewest: number;
  readonly most: number;
}

/** A value of any of the rules. One of them may be a union that holds this one. */
export interface UnionRule {
  readonly type: 'union';
  readonly rules: readonly JsonRule[];
}

/** The alternatives of a rule, without unions. */
export function listAlternatives(rule: JsonRule, seen = new Set<JsonRule>()): Exclude<JsonRule, UnionRule>[] {
  if (seen.has(rule)) return [];
  seen.add(rule);
  return rule.type === 'union' ? rule.rules.flatMap((alternative) => listAlternatives(alternative, seen)) : [rule];
}

/** Keywords that say nothing about which values are valid; `format` is such a one by the standard. */
const annotations = new Set(
  ['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'example', 'deprecated']
    .concat(['readOnly', 'writeOnly', 'format', 'contentEncoding', 'contentMediaType', 'contentSchema']), // prettier-ignore
);

/** The keywords that are followed, by the type that they are about. */
const keywords = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  any: ['type', 'enum', 'const', 'anyOf', '$ref'],
} as const;

const typeNames = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
type TypeName = (typeof typeNames)[number];

/** Levels of a schema, with those that its references lead to: more would overflow the stack, and nobody writes them. */
const maxDepth = 256;

/**
 * The rule of a JSON Schema (draft 2020-12, the keywords above), or of `{"type": "json_object"}`: any object. What is written is always valid,
 * but not all that is valid is written: no property that the schema does not name, unless `additionalProperties` says which ones there may be, and
 * properties only in the order of the schema.
 * @throws Failure `data-invalid` with the place of a keyword that is not followed
 */
export function parseJsonSchema(schema: unknown): JsonRule {
  if (isObject(schema) && schema['type'] === 'json_object') return anyObject;
  const place: Place = { path: '#', root: schema, references: new Map(), depth: 0 };
  if (isObject(schema) && !isWithinDepth(schema)) refuse(place, 'it is nested more than 64 levels deep');
  return parseSchema(schema, place);
}

interface Place {
  /** As a JSON pointer. */
  readonly path: string;
  readonly root: unknown;
  /** Rules by the pointers that refer to them: a rule may refer to itself. */
  readonly references: Map<string, JsonRule>;
  readonly depth: number;
}

/** UTF-8 bytes as a Latin-1 string, in which a character is a byte. */
const literal = (value: unknown): LiteralRule => ({ type: 'literal', text: Buffer.from(JSON.stringify(value)).toString('latin1') });

const anyString: StringRule = { type: 'string', shortest: 0, longest: Infinity };
const anyRules: JsonRule[] = [];
const anyValue: UnionRule = { type: 'union', rules: anyRules };
const anyObject: ObjectRule = { type: 'object', properties: [], further: anyValue };
anyRules.push(anyObject, anyString, { type: 'number', ...buildNumberRule(false, {}) }, literal(true), literal(false), literal(null));
anyRules.push({ type: 'array', first: [], rest: anyValue, fewest: 0, most: Infinity });

const nothing: UnionRule = { type: 'union', rules: [] };

function refuse({ path }: Place, message: string): never {
  throw new Failure('data-invalid', `the schema of the answers, at ${path}: ${message}`);
}

function enter(place: Place, ...names: (string | number)[]): Place {
  const pointer = names.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return { ...place, path: `${place.path}${pointer}`, depth: place.depth + 1 };
}

function parseSchema(schema: unknown, place: Place): JsonRule {
  if (place.depth > maxDepth) refuse(place, `expected at most ${maxDepth} levels`);
  if (schema === true) return anyValue;
  if (schema === false) return nothing;
  if (!isObject(schema)) return refuse(place, `expected an object, found ${formatValue(schema)}`);
  const used = Object.keys(schema).filter((key) => schema[key] !== undefined && !annotations.has(key));
  const known: readonly string[] = Object.values(keywords).flat();
  const unknown = used.find((key) => !known.includes(key) && !(key === 'allOf' && used.length === 1));
  if (unknown !== undefined) {
    const others =
      unknown === 'oneOf' ? 'use "anyOf"' : `remove it, or describe the values with ${known.map((key) => `"${key}"`).join(', ')}`;
    refuse(place, `"${unknown}" is not followed where answers are written: ${others}`);
  }
  for (const key of ['$ref', 'anyOf', 'allOf'] as const) {
    if (!used.includes(key)) continue;
    const beside = used.find((other) => other !== key);
    if (beside !== undefined) refuse(place, `"${key}" and "${beside}" cannot be followed together`);
    if (key === '$ref') return parseReference(schema[key], enter(place, key));
    const all = schema[key];
    if (!Array.isArray(all) || all.length === 0) return refuse(enter(place, key), 'expected a list of schemas');
    if (key === 'allOf' && all.length > 1) refuse(enter(place, key), 'expected one schema: several cannot be followed together');
    return { type: 'union', rules: all.map((one, i) => parseSchema(one, enter(place, key, i))) };
  }
  return parseTyped(schema, used, place);
}

function parseReference(reference: unknown, place: Place): JsonRule {
  const isInside = typeof reference === 'string' && (reference === '#' || reference.startsWith('#/'));
  if (!isInside) return refuse(place, `expected a place in this schema, such as "#/$defs/name", found ${formatValue(reference)}`);
  const known = place.references.get(reference);
  if (known !== undefined) return known;
  const names = reference.split('/').slice(1);
  let found = place.root;
  for (const name of names) {
    const key = decodeName(name);
    found = (isObject(found) || Array.isArray(found)) && Object.hasOwn(found, key) ? (found as Record<string, unknown>)[key] : undefined;
  }
  if (found === undefined) refuse(place, `there is no ${formatValue(reference)} in the schema`);
  const rules: JsonRule[] = [];
  const rule: UnionRule = { type: 'union', rules };
  place.references.set(reference, rule);
  rules.push(parseSchema(found, { ...place, path: reference, depth: place.depth + 1 }));
  return rule;
}

function decodeName(name: string): string {
  const plain = name.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

function parseTyped(schema: Record<string, unknown>, used: readonly string[], place: Place): JsonRule {
  const types = listTypes(schema, used, place);
  const listed = used.includes('const') ? [schema['const']] : schema['enum'];
  if (listed !== undefined) {
    if (!Array.isArray(listed)) return refuse(enter(place, 'enum'), `expected a list of values, found ${formatValue(listed)}`);
    const beside = used.find((key) => key !== 'enum' && key !== 'const' && key !== 'type');
    if (beside !== undefined || (used.includes('enum') && used.includes('const'))) {
      refuse(place, `"${beside ?? 'enum'}" cannot be followed beside listed values`);
    }
    return {
      type: 'union',
      rules: listed.filter((value) => types === null || types.some((type) => isOfType(value, type))).map(parseValue),
    };
  }
  if (types === null) return anyValue;
  return { type: 'union', rules: types.flatMap((type) => parseType(type, schema, place)) };
}

/** The types that a schema allows: those that it names, or the one that its keywords are about; null: all. */
function listTypes(schema: Record<string, unknown>, used: readonly string[], place: Place): readonly TypeName[] | null {
  if (!used.includes('type')) {
    const about = (['object', 'array', 'string', 'number'] as const).filter((type) => keywords[type].some((key) => used.includes(key)));
    if (about.length > 1) refuse(place, `expected "type": there are keywords about ${about.join(' and ')}`);
    return about.length === 0 ? null : about;
  }
  const types = [schema['type']].flat();
  const wrong = types.find((type) => !typeNames.includes(type as TypeName));
  if (wrong !== undefined || types.length === 0) {
    refuse(
      enter(place, 'type'),
      `expected ${typeNames.map((name) => `"${name}"`).join(', ')} or a list of them, found ${formatValue(wrong)}`,
    );
  }
  const named = types as TypeName[];
  return named.includes('number') ? named.filter((type) => type !== 'integer') : named;
}

function isOfType(value: unknown, type: TypeName): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  return type === 'object' ? isObject(value) : typeof value === type;
}

/** The rule of one value. */
function parseValue(value: unknown): JsonRule {
  if (Array.isArray(value)) return { type: 'array', first: value.map(parseValue), rest: null, fewest: value.length, most: value.length };
  if (!isObject(value)) return literal(value);
  const properties = Object.entries(value).map(([name, own]) => ({ name: literal(name), rule: parseValue(own), isRequired: true }));
  return { type: 'object', properties, further: null };
}

function parseType(type: TypeName, schema: Record<string, unknown>, place: Place): JsonRule[] {
  const [fewest, most] = type === 'array' ? (['minItems', 'maxItems'] as const) : (['minLength', 'maxLength'] as const);
  switch (type) {
    case 'boolean':
      return [literal(true), literal(false)];
    case 'null':
      return [literal(null)];
    case 'string':
      return [{ type, shortest: parseCount(schema, fewest, place) ?? 0, longest: parseCount(schema, most, place) ?? Infinity }];
    case 'number':
    case 'integer': {
      const bounds = Object.fromEntries(keywords.number.map((key) => [key, parseBound(schema, key, place)]));
      return [{ type: 'number', ...buildNumberRule(type === 'integer', bounds) }];
    }
    case 'array':
      return [
        {
          type,
          ...parseItems(schema, place),
          fewest: parseCount(schema, fewest, place) ?? 0,
          most: parseCount(schema, most, place) ?? Infinity,
        },
      ];
    case 'object':
      return [parseObject(schema, place)];
  }
}

function parseCount(schema: Record<string, unknown>, key: string, place: Place): number | null {
  const value = schema[key];
  if (value === undefined) return null;
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : refuse(enter(place, key), `expected a whole number of at least 0, found ${formatValue(value)}`);
}

function parseBound(schema: Record<string, unknown>, key: string, place: Place): number | undefined {
  const value = schema[key];
  if (value === undefined || typeof value === 'number') return value;
  return refuse(enter(place, key), `expected a number, found ${formatValue(value)}`);
}

function parseItems(schema: Record<string, unknown>, place: Place): Pick<ArrayRule, 'first' | 'rest'> {
  const { items, prefixItems = [] } = schema;
  if (!Array.isArray(prefixItems)) return refuse(enter(place, 'prefixItems'), 'expected a list of schemas');
  const first = prefixItems.map((item, i) => parseSchema(item, enter(place, 'prefixItems', i)));
  if (items !== undefined) return { first, rest: parseSchema(items, enter(place, 'items')) };
  return { first, rest: first.length > 0 ? null : anyValue };
}

function parseObject(schema: Record<string, unknown>, place: Place): ObjectRule {
  const { properties = {}, required = [], additionalProperties } = schema;
  if (!isObject(properties)) return refuse(enter(place, 'properties'), `expected an object, found ${formatValue(properties)}`);
  if (!Array.isArray(required) || !required.every((name) => typeof name === 'string')) {
    return refuse(enter(place, 'required'), `expected a list of names, found ${formatValue(required)}`);
  }
  const isOpen = additionalProperties !== undefined || Object.keys(properties).length === 0;
  const further = isOpen ? parseSchema(additionalProperties ?? true, enter(place, 'additionalProperties')) : null;
  const unnamed = [...new Set(required)].filter((name) => !Object.hasOwn(properties, name));
  const toProperty = (name: string, rule: JsonRule): PropertyRule => ({ name: literal(name), rule, isRequired: required.includes(name) });
  return {
    type: 'object',
    properties: [
      ...Object.entries(properties).map(([name, own]) => toProperty(name, parseSchema(own, enter(place, 'properties', name)))),
      ...unnamed.map((name) => toProperty(name, additionalProperties === undefined ? anyValue : further!)),
    ],
    further,
  };
}

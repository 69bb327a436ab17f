import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parse as parseJson, evaluate, type ValueNode } from '@humanwhocodes/momoa';
import type * as Yaml from 'yaml';
import { Failure, toFileFailure, type FailureCode } from '../errors.ts';

export type FieldPath = readonly PropertyKey[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The content of a JSON or YAML file, and where everything in it is. */
export interface JobText {
  readonly value: unknown;
  /** Fields that occur twice in one object. */
  readonly duplicates: readonly FieldPath[];
  /** Where a path is; of a path that does not exist (a missing field) the part that does. */
  locate(path: FieldPath): Place;
}

/** How errors speak of the file, and their code. */
export interface TextKind {
  readonly name: string;
  readonly code: FailureCode;
}

export const jobFileKind: TextKind = { name: 'job file', code: 'job-file-invalid' };

/** The path that stands for standard input. */
export const standardInput = '-';

let input: Promise<string> | null = null;

/** Its whole text; it can be read once only, and is asked for as often as any file. */
async function readStandardInput(): Promise<string> {
  input ??= text(process.stdin);
  return await input;
}

/** A larger file is a mistake. */
const mostBytes = 2 ** 20;

/**
 * Reads JSON, in which comments are allowed, or YAML, by the file's name.
 * @throws Failure `file-missing`, `permission-denied`, or with the kind's code and the place of the first error of syntax
 */
export async function readJobText(path: string, kind: TextKind): Promise<JobText> {
  const refuse = (expected: string, found: string): Failure => new Failure(kind.code, `${path}: expected ${expected}, found ${found}`);
  try {
    if (path === standardInput) return await parseJobText(await readStandardInput(), 'standard input', kind);
    const found = await stat(path);
    if (!found.isFile() && !found.isDirectory()) throw refuse('a file', 'a pipe or a device');
    if (found.isFile() && found.size > mostBytes) throw refuse(`a ${kind.name} of at most 1 MiB`, `${found.size} bytes`);
    const bytes = await readFile(path);
    return await parseJobText(new TextDecoder('utf-8', { fatal: true }).decode(bytes), path, kind);
  } catch (error) {
    if (error instanceof TypeError) throw refuse('text in UTF-8', 'other bytes');
    throw toFileFailure(error, kind.name, path);
  }
}

/** The same for a text that was read from `path`. */
export async function parseJobText(text: string, path: string, kind: TextKind): Promise<JobText> {
  const refuse = (message: string, error?: unknown): Failure => new Failure(kind.code, `${path}${message}`, { error });
  if (text.trim() === '') throw refuse(`: expected a ${kind.name}, found an empty file`);
  try {
    return /\.ya?ml$/i.test(path) ? await parseYamlText(text, refuse) : parseJsonText(text, refuse);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refuse(`: expected a ${kind.name}, found a text that is nested too deeply`, error);
  }
}

type Refuse = (message: string, error?: unknown) => Failure;

function parseJsonText(text: string, refuse: Refuse): JobText {
  let body: ValueNode;
  try {
    ({ body } = parseJson(text.replace(/^\ufeff/, ''), { mode: 'jsonc', allowTrailingCommas: true }));
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const { line, column, message } = error as Error & Partial<Place>;
    const place = line === undefined ? '' : `:${line}:${column}`;
    throw refuse(`${place} expected JSON: ${describeSyntax(message)}`, error);
  }
  return { value: evaluate(body), duplicates: findDuplicates(body, []), locate: (path) => locateInJson(body, path) };
}

/** What the parser calls the kinds of its tokens, and what probably is wrong where it meets one. */
const tokens: Readonly<Record<string, string>> = {
  LBrace: 'found "{": is a comma missing before it, or are there two objects?',
  RBrace: 'found "}": is a value missing before it?',
  LBracket: 'found "[": is a comma or a colon missing before it?',
  RBracket: 'found "]": is a value missing before it?',
  Comma: 'found ",": is a value missing before it?',
  Colon: 'found ":": is the name before it in double quotes?',
  String: 'found a text: is a comma or a colon missing before it?',
  Number: 'found a number: is a comma or a colon missing before it?',
  Boolean: 'found true or false: is a comma or a colon missing before it?',
  Null: 'found null: is a comma or a colon missing before it?',
};

/** An error of the parser in words for a reader. */
function describeSyntax(message: string): string {
  const token = /^Unexpected token (\w+) found/.exec(message)?.[1];
  if (token !== undefined && Object.hasOwn(tokens, token)) return tokens[token]!;
  if (/end of input|EOF/i.test(message)) return 'found the end of the file: is a closing bracket or quote missing?';
  const character = /^Unexpected character '?(.+?)'? found/s.exec(message)?.[1];
  if (character === "'") return 'found a single quote: JSON has double quotes only';
  if (character !== undefined) return `found the character ${JSON.stringify(character)}: texts and names stand in double quotes`;
  const word = /^Unexpected identifier '?(.+?)'? found/s.exec(message)?.[1];
  if (word !== undefined) return `found ${JSON.stringify(word)}: texts and names stand in double quotes`;
  return 'found something else here: are quotes, commas and brackets in their places?';
}

function getMemberName({ name }: { name: { type: 'String'; value: string } | { type: 'Identifier'; name: string } }): string {
  return name.type === 'String' ? name.value : name.name;
}

function findDuplicates(node: ValueNode, path: FieldPath): FieldPath[] {
  if (node.type === 'Array') return node.elements.flatMap((element, i) => findDuplicates(element.value, [...path, i]));
  if (node.type !== 'Object') return [];
  const seen = new Set<string>();
  return node.members.flatMap((member) => {
    const name = getMemberName(member);
    const here = [...path, name];
    const isAgain = seen.has(name);
    seen.add(name);
    return [...(isAgain ? [here] : []), ...findDuplicates(member.value, here)];
  });
}

function locateInJson(body: ValueNode, path: FieldPath): Place {
  let node = body;
  let place: Place = node.loc.start;
  for (const key of path) {
    const found =
      node.type === 'Object'
        ? node.members.findLast((member) => getMemberName(member) === key)
        : node.type === 'Array'
          ? node.elements[Number(key)]
          : undefined;
    if (found === undefined) break;
    place = found.loc.start;
    node = found.value;
  }
  return place;
}

/** What the parser's codes mean. */
const yamlCodes: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'found a tab: lines are indented by spaces',
  BAD_INDENT: 'found a line that is indented too little, or a bracket that is not closed',
  DUPLICATE_KEY: 'found a name that stands there already',
  MISSING_CHAR: 'found no closing quote or bracket, or no space after a colon',
  BAD_DQ_ESCAPE: 'found a backslash in double quotes that means nothing: use single quotes for paths',
  BLOCK_AS_IMPLICIT_KEY: 'found a second colon: a text with ": " in it stands in quotes',
  MULTILINE_IMPLICIT_KEY: 'found a name over several lines: is a colon missing?',
  BAD_SCALAR_START: 'found a sign with which no text begins: put it in quotes',
  BAD_ALIAS: 'found an alias (*name) that is none: put a text that begins with * in quotes',
  BAD_DIRECTIVE: 'found a directive (%) that is not known',
  MULTIPLE_DOCS: 'found a second document: remove what follows ---',
  RESOURCE_EXHAUSTION: 'found a text that is nested too deeply',
  BAD_COLLECTION_TYPE: 'found a list where its tag says an object, or the other way round',
};

function describeYaml(code: string): string {
  return yamlCodes[code] ?? 'found something else here: are colons, dashes and indentation in their places?';
}

async function parseYamlText(text: string, refuse: Refuse): Promise<JobText> {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw refuse(`:${line}:${col} expected YAML: ${describeYaml(error.code)}`, error);
  }
  let value: unknown;
  try {
    value = document.toJS(); // refuses an explosion of aliases
  } catch (reason) {
    throw refuse(': expected YAML: found an alias (*name) without its anchor (&name), or too many of them', reason);
  }
  const locate = (path: FieldPath): Place => {
    const { line, col } = lines.linePos(findYamlOffset(yaml, document, path));
    return { line, column: col };
  };
  return { value, duplicates: [], locate };
}

function findYamlOffset(yaml: typeof Yaml, document: Yaml.Document, path: FieldPath): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const key of path) {
    if (yaml.isAlias(node)) node = node.resolve(document);
    if (yaml.isMap(node)) {
      const pair = node.items.find((item) => yaml.isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) break;
      offset = (pair.key as Yaml.Node).range![0];
      node = pair.value;
    } else if (yaml.isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Yaml.Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

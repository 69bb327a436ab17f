import { parse as parseJson, evaluate, type ValueNode } from '@humanwhocodes/momoa';
import type * as Yaml from 'yaml';
import { Failure } from '../errors.ts';

export type FieldPath = readonly PropertyKey[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A job file's text, read but not checked, that knows where everything stands. */
export interface JobText {
  readonly value: unknown;
  /** Fields that stand twice. */
  readonly duplicates: readonly FieldPath[];
  /** Where a path stands; of a path that is not there (a missing field) the part that is. */
  locate(path: FieldPath): Place;
}

/**
 * JSON, in which comments are allowed, or YAML, by the file's name.
 * @throws Failure `job-file-invalid` with the place of the first error of syntax
 */
export async function parseJobText(text: string, file: string): Promise<JobText> {
  if (text.trim() === '') throw new Failure('job-file-invalid', `${file}: expected a job, found an empty file`);
  return /\.ya?ml$/i.test(file) ? await parseYamlText(text, file) : parseJsonText(text, file);
}

function parseJsonText(text: string, file: string): JobText {
  let body: ValueNode;
  try {
    ({ body } = parseJson(text.replace(/^\ufeff/, ''), { mode: 'jsonc' }));
  } catch (error) {
    if (error instanceof RangeError) throw toDeep(file, error);
    const { line, column, message } = error as Error & Partial<Place>;
    const place = line === undefined ? file : `${file}:${line}:${column}`;
    throw new Failure('job-file-invalid', `${place} expected JSON: ${message.replace(/\s*\(\d+:\d+\)$/, '')}`, { error });
  }
  return { value: evaluate(body), duplicates: findDuplicates(body, []), locate: (path) => locateInJson(body, path) };
}

function toDeep(file: string, error: unknown): Failure {
  return new Failure('job-file-invalid', `${file}: expected a job, found a text that is nested too deeply`, { error });
}

function toMemberName({ name }: { name: { type: 'String'; value: string } | { type: 'Identifier'; name: string } }): string {
  return name.type === 'String' ? name.value : name.name;
}

function findDuplicates(node: ValueNode, path: FieldPath): FieldPath[] {
  if (node.type === 'Array') return node.elements.flatMap((element, i) => findDuplicates(element.value, [...path, i]));
  if (node.type !== 'Object') return [];
  const seen = new Set<string>();
  return node.members.flatMap((member) => {
    const here = [...path, toMemberName(member)];
    const again = seen.has(toMemberName(member));
    seen.add(toMemberName(member));
    return [...(again ? [here] : []), ...findDuplicates(member.value, here)];
  });
}

function locateInJson(body: ValueNode, path: FieldPath): Place {
  let node = body;
  let place: Place = node.loc.start;
  for (const key of path) {
    const found =
      node.type === 'Object'
        ? node.members.findLast((member) => toMemberName(member) === key)
        : node.type === 'Array'
          ? node.elements[Number(key)]
          : undefined;
    if (found === undefined) break;
    place = found.loc.start;
    node = found.value;
  }
  return place;
}

function parseDeep<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof RangeError ? toDeep(file, error) : error;
  }
}

async function parseYamlText(text: string, file: string): Promise<JobText> {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = parseDeep(file, () => yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true }));
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Failure('job-file-invalid', `${file}:${line}:${col} expected YAML: ${error.message}`, { error });
  }
  let value: unknown;
  try {
    value = document.toJS(); // refuses an explosion of aliases
  } catch (reason) {
    throw new Failure('job-file-invalid', `${file}: expected YAML: ${(reason as Error).message}`, { error: reason });
  }
  return { value, duplicates: [], locate: (path) => locateInYaml(yaml, { document, lines }, path) };
}

function locateInYaml(
  yaml: typeof Yaml,
  { document, lines }: { document: Yaml.Document; lines: Yaml.LineCounter },
  path: FieldPath,
): Place {
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
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

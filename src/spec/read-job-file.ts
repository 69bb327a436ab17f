import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse as parseJson, evaluate, type DocumentNode, type ValueNode } from '@humanwhocodes/momoa';
import { closestMatch } from 'leven';
import type { z } from 'zod';
import { Failure, toFileFailure } from '../failure.ts';
import { JobSpec, reservedFields } from './job-spec.ts';

export interface JobFile {
  /** As it was given, for messages. */
  readonly path: string;
  /** Absolute; relative paths in the file start here. */
  readonly folder: string;
  readonly spec: JobSpec;
}

type Path = readonly PropertyKey[];

/**
 * Reads a job file (JSON; comments are allowed) and checks it. All errors are told at once, each with line, column and path.
 * @param overrides `training.epochs=1`: set after reading; the value is JSON where it parses as JSON, else text.
 * @throws Failure `file-missing`, `permission-denied`, `job-file-invalid`, `usage` (a bad override)
 */
export async function readJobFile(path: string, overrides: readonly string[] = []): Promise<JobFile> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw toFileFailure(error, 'job file', path);
  });
  const document = parseDocument(text, path);
  const value: unknown = evaluate(document);
  for (const override of overrides) applyOverride(value, override);
  const result = JobSpec.safeParse(value);
  const problems = [
    ...toDuplicateProblems(document.body, []),
    ...(result.success ? toRuleProblems(result.data) : result.error.issues.flatMap((issue) => toProblems(issue, value))),
  ];
  if (!result.success || problems.length > 0) {
    const lines = problems.map(({ path: at, message }) => `${toPlace(document, path, at)} ${toPathText(at)}: ${message}`);
    throw new Failure('job-file-invalid', lines.join('\n'), {
      hint: lines.length === 1 ? 'mend the line and run the command again' : `mend the ${lines.length} places and run the command again`,
    });
  }
  return { path, folder: dirname(resolve(path)), spec: result.data };
}

function parseDocument(text: string, path: string): DocumentNode {
  try {
    return parseJson(text, { mode: 'jsonc', ranges: true });
  } catch (error) {
    const { line, column } = error as { line?: number; column?: number };
    const place = line === undefined ? path : `${path}:${line}:${column}`;
    const found = text.trim() === '' ? 'the file is empty' : (error as Error).message.replace(/\s*\(\d+:\d+\)$/, '');
    throw new Failure('job-file-invalid', `${place} expected a job in JSON: ${found}`, { error });
  }
}

interface Problem {
  readonly path: Path;
  readonly message: string;
}

function toProblems(issue: z.core.$ZodIssue, root: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => toUnknownKey(issue, key));
  if (issue.code === 'invalid_union') {
    // Tell what the alternative wanted that came furthest into the value: for a string all want the same place, the first is told.
    const branches = issue.errors.filter((branch) => !branch.every((inner) => inner.code === 'invalid_type' && inner.path.length === 0));
    const branch = branches[0] ?? issue.errors[0] ?? [];
    const inner = branch.flatMap((one) => toProblems({ ...one, path: [...issue.path, ...one.path] }, root));
    return branches.length <= 1 && inner.length > 0 ? inner : [{ path: issue.path, message: toUnionMessage(issue, root) }];
  }
  const found = toFound(toValueAt(root, issue.path));
  const message = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return [{ path: issue.path, message: `${message}, found ${found}` }];
}

function toUnionMessage(issue: z.core.$ZodIssueInvalidUnion, root: unknown): string {
  const wanted = issue.errors.map((branch) => branch[0]?.message.replace(/^Invalid input: |, received .*$/g, '') ?? 'another value');
  return `${[...new Set(wanted)].join(', or ')}, found ${toFound(toValueAt(root, issue.path))}`;
}

function toUnknownKey(issue: z.core.$ZodIssueUnrecognizedKeys, key: string): Problem {
  const path = [...issue.path, key];
  if (reservedFields.some((field) => field === path.join('.') || (path[0] === 'targets' && field === path.slice(2).join('.')))) {
    return { path, message: 'this word is reserved for a later version; take it out' };
  }
  const known = toKnownKeys(issue.path);
  const close = closestMatch(key, known, { maxDistance: 3 });
  return { path, message: `unknown field${close === undefined ? `; expected one of ${known.join(', ')}` : `, did you mean "${close}"?`}` };
}

/** The keys that the schema has at a path, found by walking it. */
function toKnownKeys(path: Path): string[] {
  const keys: string[] = [];
  const visit = (schema: unknown, rest: Path): void => {
    const { def } = (schema as { _zod: { def: Record<string, unknown> & { type: string } } })._zod;
    if (def.innerType !== undefined) visit(def.innerType, rest);
    else if (Array.isArray(def.options)) for (const option of def.options) visit(option, rest);
    else if (def.type === 'record' && rest.length > 0) visit(def.valueType, rest.slice(1));
    else if (def.type === 'array' && rest.length > 0) visit(def.element, rest.slice(1));
    else if (def.type === 'object') {
      const shape = def.shape as Record<string, unknown>;
      if (rest.length === 0) keys.push(...Object.keys(shape));
      else if (shape[String(rest[0])] !== undefined) visit(shape[String(rest[0])], rest.slice(1));
    }
  };
  visit(JobSpec, path);
  return [...new Set(keys)].filter((key) => key !== '$schema');
}

/** Rules that bind several fields. */
function toRuleProblems(spec: JobSpec): Problem[] {
  const problems: Problem[] = [];
  const visit = (path: Path, training: JobSpec['training'] | JobSpec['targets'][string]['training']): void => {
    if (training?.epochs != null && training.steps != null) problems.push({ path, message: 'expected "epochs" or "steps", found both' });
    if (training?.method === 'dpo' && spec.task !== 'preference') {
      problems.push({ path: [...path, 'method'], message: `"dpo" needs the task "preference", found the task "${spec.task}"` });
    }
    if (training?.select === 'best' && spec.data.validation === undefined) {
      problems.push({
        path: [...path, 'select'],
        message: '"best" needs validation rows: add data.validation, for example {"fraction": 0.1}',
      });
    }
  };
  visit(['training'], spec.training);
  for (const [name, target] of Object.entries(spec.targets)) {
    visit(['targets', name, 'training'], target.training);
    if (target.model.startsWith('run:')) {
      problems.push({ path: ['targets', name, 'model'], message: 'models "run:…" are reserved for a later version' });
    }
  }
  return problems;
}

function toDuplicateProblems(node: ValueNode, path: Path): Problem[] {
  if (node.type === 'Array') return node.elements.flatMap((element, i) => toDuplicateProblems(element.value, [...path, i]));
  if (node.type !== 'Object') return [];
  const seen = new Set<string>();
  return node.members.flatMap((member) => {
    const name = member.name.type === 'String' ? member.name.value : member.name.name;
    const here = [...path, name];
    const problems = toDuplicateProblems(member.value, here);
    if (seen.has(name)) problems.unshift({ path: here, message: 'the field stands twice' });
    seen.add(name);
    return problems;
  });
}

/** Where a path stands in the text; of a path that is not there (a missing field, an override) the part that is. */
function toPlace(document: DocumentNode, file: string, path: Path): string {
  let node: ValueNode = document.body;
  let { line, column } = node.loc.start;
  for (const key of path) {
    const member =
      node.type === 'Object'
        ? node.members.findLast((one) => (one.name.type === 'String' ? one.name.value : one.name.name) === key)
        : undefined;
    const element = node.type === 'Array' ? node.elements[Number(key)] : undefined;
    if (member === undefined && element === undefined) break;
    ({ line, column } = (member ?? element)!.loc.start);
    node = (member ?? element)!.value;
  }
  return `${file}:${line}:${column}`;
}

function toValueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root);
}

function toPathText(path: Path): string {
  return path.length === 0 ? '(the whole file)' : path.map(String).join('.');
}

function toFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function applyOverride(root: unknown, override: string): void {
  const equals = override.indexOf('=');
  if (equals <= 0) throw new Failure('usage', `--set expects path=value, for example --set training.epochs=1, found "${override}"`);
  const path = override.slice(0, equals).split('.');
  const text = override.slice(equals + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // plain text
  }
  let parent = root as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null || key === '__proto__') break;
    parent = (parent[key] ??= {}) as Record<string, unknown>;
  }
  if (typeof parent !== 'object' || parent === null || path.includes('__proto__')) {
    throw new Failure('usage', `--set ${override}: there is no field "${path.slice(0, -1).join('.')}" to set something in`);
  }
  parent[path.at(-1)!] = value;
}

import { closestMatch } from 'leven';
import type { z } from 'zod';
import type { FieldPath } from './job-text.ts';
import { JobSpec, reservedFields } from './job-spec.ts';

/** Something in a job file that has to be mended. */
export interface JobProblem {
  readonly path: FieldPath;
  readonly message: string;
}

/** All problems of a value that should be a job, or the job. */
export function checkJob(value: unknown): { readonly spec: JobSpec | null; readonly problems: JobProblem[] } {
  const result = JobSpec.safeParse(value);
  if (!result.success) return { spec: null, problems: result.error.issues.flatMap((issue) => toProblems(issue, value)) };
  return { spec: result.data, problems: toRuleProblems(result.data) };
}

function toProblems(issue: z.core.$ZodIssue, root: unknown): JobProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => toUnknownKey(issue.path, key));
  if (issue.code === 'invalid_union') return toUnionProblems(issue, root);
  return [{ path: issue.path, message: `${toExpectation(issue)}, found ${toFound(toValueAt(root, issue.path))}` }];
}

/** zod's message without what it says of the value, which we show ourselves. */
function toExpectation(issue: z.core.$ZodIssue): string {
  return issue.message.replace(/^Invalid (input|option): /, '').replace(/, received .*$/, '');
}

/** Of the alternatives, the one whose kind of value was written is explained; where none fits, all are named. */
function toUnionProblems(issue: z.core.$ZodIssueInvalidUnion, root: unknown): JobProblem[] {
  const isOfOtherKind = (branch: readonly z.core.$ZodIssue[]): boolean =>
    branch.length > 0 && branch.every((inner) => inner.code === 'invalid_type' && inner.path.length === 0);
  const [meant, ...others] = issue.errors.filter((branch) => branch.length > 0 && !isOfOtherKind(branch));
  if (meant !== undefined && others.length === 0) {
    return meant.flatMap((inner) => toProblems({ ...inner, path: [...issue.path, ...inner.path] }, root));
  }
  const wanted = new Set(issue.errors.map((branch) => (branch[0] === undefined ? 'another value' : toExpectation(branch[0]))));
  const text = wanted.size === 0 ? toExpectation(issue) : [...wanted].join(', or ');
  return [{ path: issue.path, message: `${text}, found ${toFound(toValueAt(root, issue.path))}` }];
}

function toUnknownKey(parent: FieldPath, key: string): JobProblem {
  const path = [...parent, key];
  const inTarget = path[0] === 'targets' ? path.slice(2).join('.') : null;
  if (reservedFields.some((field) => field === path.join('.') || field === inTarget)) {
    return { path, message: 'this word is reserved for a later version; take it out' };
  }
  const known = toKnownKeys(parent);
  const close = closestMatch(key, known, { maxDistance: 3 });
  return {
    path,
    message: close === undefined ? `unknown field; expected one of ${known.join(', ')}` : `unknown field, did you mean "${close}"?`,
  };
}

/** The keys that the schema has at a path, found by walking it. */
function toKnownKeys(path: FieldPath): string[] {
  const keys: string[] = [];
  const visit = (schema: unknown, rest: FieldPath): void => {
    const { def } = (schema as { _zod: { def: Record<string, unknown> & { type: string } } })._zod;
    if (def['innerType'] !== undefined) visit(def['innerType'], rest);
    else if (Array.isArray(def['options'])) for (const option of def['options']) visit(option, rest);
    else if (def.type === 'record' && rest.length > 0) visit(def['valueType'], rest.slice(1));
    else if (def.type === 'array' && rest.length > 0) visit(def['element'], rest.slice(1));
    else if (def.type === 'object') {
      const shape = def['shape'] as Record<string, unknown>;
      if (rest.length === 0) keys.push(...Object.keys(shape));
      else if (shape[String(rest[0])] !== undefined) visit(shape[String(rest[0])], rest.slice(1));
    }
  };
  visit(JobSpec, path);
  return [...new Set(keys)].filter((key) => key !== '$schema');
}

/** Rules that bind several fields. */
function toRuleProblems(spec: JobSpec): JobProblem[] {
  const problems: JobProblem[] = [];
  const visit = (path: FieldPath, training: JobSpec['training'] | JobSpec['targets'][string]['training']): void => {
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
  for (const [name, reference] of Object.entries(spec.references ?? {})) {
    if (!('predictions' in reference) || !reference.predictions.startsWith('hub:')) continue;
    problems.push({ path: ['references', name, 'predictions'], message: 'expected the path of a file, found a data set of the Hub' });
  }
  return problems;
}

function toValueAt(root: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root);
}

function toFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

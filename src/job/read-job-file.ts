import { dirname, resolve } from 'node:path';
import { closestMatch } from 'leven';
import type { z } from 'zod';
import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';
import { JobSpec, reservedFields } from './job-spec.ts';
import { jobFileKind, readJobText, standardInput, type FieldPath } from './job-text.ts';

export interface JobFile {
  /** As it was given, for messages. */
  readonly path: string;
  /** Absolute; relative paths in the file start here. */
  readonly folder: string;
  /** What was set in it after reading; absent: nothing. */
  readonly overrides?: readonly string[];
  readonly spec: JobSpec;
}

/**
 * Reads a job file (JSON with comments, or YAML) and checks it. All errors are reported at once, each with its place: line, column and path,
 * or the override.
 * @param overrides `training.epochs=1`: set after reading; the value is JSON where it parses as JSON, else text; null removes the field.
 * @throws Failure `file-missing`, `permission-denied`, `job-file-invalid`, `usage` (a bad override)
 */
export async function readJobFile(path: string, overrides: readonly string[] = []): Promise<JobFile> {
  if (/\.(jsonl|ndjson|csv|tsv)(\.gz)?$/i.test(path)) {
    throw new Failure('job-file-invalid', `${path}: expected a job file, found a data file`, {
      hint: 'write a job file, .json or .yaml, that names it as data.train',
    });
  }
  const text = await readJobText(path, jobFileKind);
  const set = overrides.map((override) => ({ override, path: applyOverride(text.value, override) }));
  const folder = path === standardInput ? process.cwd() : dirname(resolve(path));
  const { spec, problems } = await fillSchema(checkJob(text.value), folder);
  const all = [...text.duplicates.map((at) => ({ path: at, message: 'the field occurs twice' })), ...problems];
  if (spec !== null && all.length === 0) return { path, folder, overrides, spec };
  const lines = all.map(({ path: at, message }) => {
    const cause = set.findLast((one) => isWithin(at, one.path) || (at.length > 0 && isWithin(one.path, at)));
    const field = at.length === 0 ? '(the whole file)' : formatPath(at);
    if (cause !== undefined) return `--set ${cause.override}: ${field === formatPath(cause.path) ? '' : `${field}: `}${message}`;
    const { line, column } = text.locate(at);
    return `${path === standardInput ? 'standard input' : path}:${line}:${column} ${field}: ${message}`;
  });
  const isSet = lines.every((line) => line.startsWith('--set '));
  throw new Failure('job-file-invalid', lines.join('\n'), {
    hint: isSet ? 'change what --set says' : lines.length === 1 ? 'fix this line' : `fix these ${lines.length} places`,
  });
}

type CheckedJob = ReturnType<typeof checkJob>;

/** The job with the schema of its answers in the place of its path. */
async function fillSchema(job: CheckedJob, folder: string): Promise<CheckedJob> {
  const { spec, problems } = job;
  const { generation } = spec?.evaluation ?? {};
  if (spec === null || generation?.schema === undefined) return job;
  const { readAnswerSchema } = await import('./answer-schema.ts'); // few jobs have one, and the library takes time to load
  const found = await readAnswerSchema(generation.schema, folder);
  if ('problem' in found) return { spec, problems: [...problems, { path: [...schemaPath], message: found.problem }] };
  return { spec: { ...spec, evaluation: { ...spec.evaluation, generation: { ...generation, schema: { ...found.schema } } } }, problems };
}

const schemaPath = ['evaluation', 'generation', 'schema'] as const;

function formatPath(path: FieldPath): string {
  return path.map(String).join('.');
}

function isWithin(path: FieldPath, outer: FieldPath): boolean {
  return outer.length <= path.length && outer.every((key, i) => String(path[i]) === key);
}

/** Sets a field, and gives its path. */
function applyOverride(root: unknown, override: string): string[] {
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
  // Under the training of a target null is a value: it removes the field of the job.
  const isRemoved = value === null && !/^targets\.[^.]+\.training\.[^.]+$/.test(path.join('.'));
  let parent = root as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null || key === '__proto__') break;
    if (isRemoved && parent[key] === undefined) return path; // there is nothing to remove
    parent = (parent[key] ??= {}) as Record<string, unknown>;
  }
  if (typeof parent !== 'object' || parent === null || path.includes('__proto__')) {
    throw new Failure('usage', `--set ${override}: there is no field "${path.slice(0, -1).join('.')}" to set something in`);
  }
  const field = path.at(-1)!;
  if (!isRemoved) parent[field] = value;
  else if (Array.isArray(parent)) parent.splice(Number(field), 1);
  else Reflect.deleteProperty(parent, field);
  return path;
}

/** A mistake in a job file. */
export interface JobProblem {
  readonly path: FieldPath;
  readonly message: string;
}

/** Checks a value that should be a job: the job, or all its problems. */
export function checkJob(value: unknown): { readonly spec: JobSpec | null; readonly problems: JobProblem[] } {
  const result = JobSpec.safeParse(value);
  if (!result.success) return { spec: null, problems: result.error.issues.flatMap((issue) => listProblems(issue, value)) };
  return { spec: result.data, problems: checkRules(result.data) };
}

function listProblems(issue: z.core.$ZodIssue, root: unknown): JobProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => describeUnknownKey(issue.path, key));
  const [meant, ...others] = issue.code === 'invalid_union' ? issue.errors.filter((branch) => isMeant(branch)) : [];
  // Of the alternatives, the one whose kind of value was written is explained; where that is not clear, all are named.
  if (meant !== undefined && others.length === 0) {
    return meant.flatMap((inner) => listProblems({ ...inner, path: [...issue.path, ...inner.path] }, root));
  }
  const value = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], root);
  return [{ path: issue.path, message: `expected ${formatExpectation(issue)}, found ${formatValue(value)}` }];
}

/** Whether a branch of a union expects the kind of value that was written. */
function isMeant(branch: readonly z.core.$ZodIssue[]): boolean {
  const isOfOtherKind = ({ code, path }: z.core.$ZodIssue): boolean => path.length === 0 && /^invalid_(type|union)$/.test(code ?? '');
  return branch.length > 0 && !branch.every(isOfOtherKind);
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What a schema expects, in words: "a number above 0". */
export function formatExpectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return kinds[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return `${kinds[issue.origin]!} that is not empty`;
      return `${kinds[issue.origin] ?? 'a number'} ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `${kinds[issue.origin] ?? 'a number'} ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    case 'invalid_key':
      return `a name with ${formatExpectation(issue.issues[0]!)}`;
    default: // the schema's own message, or zod's where a value is no JSON
      return issue.message.replace(/^Invalid input$/, 'a value of JSON');
  }
}

/** Fields of a training by the names that they have in other programs, in small letters without signs. */
const otherNames: Readonly<Record<string, string>> = {
  lr: 'learningRate',
  learningratemultiplier: 'learningRate',
  steplr: 'learningRate',
  numtrainepochs: 'epochs',
  numepochs: 'epochs',
  nepochs: 'epochs',
  maxsteps: 'steps',
  numsteps: 'steps',
  bs: 'batchSize',
  perdevicetrainbatchsize: 'batchSize',
  trainbatchsize: 'batchSize',
  microbatchsize: 'batchSize',
  lrschedulertype: 'schedule',
  lrscheduler: 'schedule',
  scheduler: 'schedule',
  wd: 'weightDecay',
  maxgradientnorm: 'maxGradNorm',
  gradientclipping: 'maxGradNorm',
  maxseqlength: 'maxLength',
  maxseqlen: 'maxLength',
  modelmaxlength: 'maxLength',
  cutofflen: 'maxLength',
  sequencelen: 'maxLength',
  blocksize: 'maxLength',
  warmup: 'warmupRatio',
  dpobeta: 'beta',
  lora: 'adapter',
  peft: 'adapter',
};

function describeUnknownKey(parent: FieldPath, key: string): JobProblem {
  const path = [...parent, key];
  const inTarget = path[0] === 'targets' ? path.slice(2).join('.') : null;
  if (reservedFields.some((field) => field === path.join('.') || field === inTarget)) {
    return { path, message: 'this name is reserved for a later version; remove it' };
  }
  const known = listKnownKeys(parent);
  const meant = otherNames[key.toLowerCase().replaceAll(/[-_\s]/g, '')];
  const close =
    meant !== undefined && known.includes(meant) ? meant : closestMatch(key, known, { maxDistance: Math.min(3, key.length - 1) });
  return {
    path,
    message: close === undefined ? `unknown field; expected one of ${known.join(', ')}` : `unknown field, did you mean "${close}"?`,
  };
}

/** The keys that the schema has at a path, found by walking it. */
function listKnownKeys(path: FieldPath): string[] {
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

/** Rules about several fields. */
function checkRules(spec: JobSpec): JobProblem[] {
  const problems: JobProblem[] = [];
  const add = (path: FieldPath, message: string): void => void problems.push({ path, message });
  const checkTraining = (path: FieldPath, training: JobSpec['training'] | JobSpec['targets'][string]['training']): void => {
    if (training?.epochs != null && training.steps != null)
      add(path, 'expected "epochs" or "steps", found both: remove one, such as with --set training.epochs=null');
    if (training?.method === 'dpo' && spec.task !== 'preference') {
      add([...path, 'method'], `"dpo" needs the task "preference", found the task "${spec.task}"`);
    }
    if (training?.select === 'best' && spec.data.validation === undefined) {
      add([...path, 'select'], '"best" needs validation rows: add data.validation, for example {"fraction": 0.1}');
    }
    if (training?.earlyStopping != null && spec.data.validation === undefined) {
      add([...path, 'earlyStopping'], 'it needs validation rows: add data.validation, for example {"fraction": 0.1}');
    }
  };
  checkTraining(['training'], spec.training);
  for (const [name, target] of Object.entries(spec.targets)) {
    checkTraining(['targets', name, 'training'], target.training);
    if (target.model.startsWith('run:')) add(['targets', name, 'model'], 'models "run:…" are reserved for a later version');
  }
  if (spec.evaluation?.generation?.schema !== undefined && spec.task !== 'chat') {
    add(schemaPath, `it is for the task "chat", found the task "${spec.task}"`);
  }
  for (const [name, reference] of Object.entries(spec.references ?? {})) {
    if (!('predictions' in reference) || !reference.predictions.startsWith('hub:')) continue;
    add(['references', name, 'predictions'], 'expected the path of a file, found a dataset of the Hub');
  }
  return problems;
}

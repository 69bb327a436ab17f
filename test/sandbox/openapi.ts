import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { startSandbox, type Sandbox, type SandboxContext, type SandboxEnv, type SandboxOptions } from '../../src/sandbox/main.ts';

/*
 * Holds what clients send to the sandbox, and what it answers, to OpenAI's published document. The document describes requests loosely
 * and in an older dialect of JSON Schema: here requests may have no members but the ones that it names.
 */

type Json = null | boolean | number | string | Json[] | JsonObject;
interface JsonObject {
  [name: string]: Json;
}

type DialectId = 'openai' | 'azure';

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonObject }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonObject }>> }>>;
}

interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Record<string, JsonObject> };
}

function readDocument(): ApiDocument {
  const text = readFileSync(new URL('../../fixtures/openapi/openai.json', import.meta.url), 'utf8');
  return modernize(JSON.parse(text) as Json) as unknown as ApiDocument;
}

/** Writes `nullable` and boolean limits of OpenAPI 3.0 as JSON Schema 2020-12 has them. */
function modernize(value: Json): Json {
  if (Array.isArray(value)) return value.map(modernize);
  if (!isObject(value)) return value;
  const schema = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, modernize(inner)]));
  if (schema['exclusiveMinimum'] === true) {
    schema['exclusiveMinimum'] = schema['minimum']!;
    delete schema['minimum'];
  }
  if (schema['nullable'] !== true) return schema;
  delete schema['nullable'];
  return { anyOf: [schema, { type: 'null' }] };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the services are known to do beside the document. */
function allowDeviations({ components: { schemas } }: ApiDocument, dialect: DialectId): void {
  const getProperty = (schema: string, name: string): JsonObject => (schemas[schema]!['properties'] as JsonObject)[name] as JsonObject;
  const allowWord = (schema: string, name: string, word: string): void => void (getProperty(schema, name)['enum'] as string[]).push(word);
  // The document's own example of a paused job says `paused`.
  allowWord('FineTuningJob', 'status', 'paused');
  // A safety check after the training has its own type of event.
  allowWord('FineTuningJobEvent', 'type', 'moderation_checks');
  if (dialect === 'openai') return;
  allowWord('FineTuningJob', 'status', 'pending');
  allowWord('OpenAIFile', 'status', 'pending');
  getProperty('FineTuningJob', 'hyperparameters')['type'] = ['object', 'null'];
  const tiers = { enum: ['standard', 'globalStandard', 'developerTier'] };
  (schemas['CreateFineTuningJobRequest']!['properties'] as JsonObject)['trainingType'] = tiers;
}

/** Lets the objects of requests have no members but those that are named; where schemas are combined, the combination decides. */
function closeObjects({ components: { schemas } }: ApiDocument): void {
  const combined = new Set(listParts(schemas));
  const close = (value: Json, isPart: boolean): void => {
    if (Array.isArray(value)) for (const inner of value) close(inner, isPart);
    if (!isObject(value)) return;
    const isClosed = 'allOf' in value || isObject(value['properties']);
    if (isClosed && !isPart && !('additionalProperties' in value)) value['unevaluatedProperties'] = false;
    for (const [name, inner] of Object.entries(value)) close(inner, name === 'allOf');
  };
  for (const [name, schema] of Object.entries(schemas)) close(schema, combined.has(name));
}

/** The names of the schemas that others combine. */
function listParts(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(listParts);
  if (!isObject(value)) return [];
  const parts = Array.isArray(value['allOf']) ? value['allOf'] : [];
  const names = parts.flatMap((part) => (isObject(part) && typeof part['$ref'] === 'string' ? [part['$ref'].split('/').at(-1)!] : []));
  return [...names, ...Object.values(value).flatMap(listParts)];
}

interface Checker {
  readonly document: ApiDocument;
  /** Finds what is wrong with a value, null where nothing is. `part`: of requests objects are closed. */
  find(part: 'request' | 'answer', schema: JsonObject, value: unknown): string | null;
}

const checkers = new Map<DialectId, Checker>();

function getChecker(dialect: DialectId): Checker {
  const found = checkers.get(dialect) ?? createChecker(dialect);
  checkers.set(dialect, found);
  return found;
}

function createChecker(dialect: DialectId): Checker {
  // The document has formats and keywords of its own; neither says more than the types.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const [request, answer] = [readDocument(), readDocument()];
  for (const document of [request, answer]) allowDeviations(document, dialect);
  closeObjects(request);
  ajv.addSchema({ ...request, $id: 'request' });
  ajv.addSchema({ ...answer, $id: 'answer' });
  const compiled = new Map<string, ValidateFunction>();
  return {
    document: answer,
    find(part, schema, value) {
      const text = JSON.stringify(schema).replaceAll('"#/components', `"${part}#/components`);
      const validate = compiled.get(text) ?? ajv.compile(JSON.parse(text) as object);
      compiled.set(text, validate);
      return validate(value) === true ? null : ajv.errorsText(validate.errors);
    },
  };
}

/** The path of the document that an address belongs to; null where it belongs to none, as Azure's management does. */
function getDocumentPath({ paths }: ApiDocument, path: string): string | null {
  if (path.startsWith('/subscriptions/')) return null;
  const below = path.replace(/^(?:\/openai)?\/v1|^\/openai(?:\/deployments\/[^/]+)?/, '');
  const isIt = (template: string): boolean => new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(below);
  return Object.keys(paths).find(isIt) ?? below;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function findRequestProblems(context: SandboxContext, { find }: Checker, operation: Operation): Promise<(string | null)[]> {
  const { dialect } = context.var;
  const known = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  const names = Object.keys(context.req.query()).map((name) => name.replace(/\[.*\]$/s, ''));
  const stray = names.find((name) => !known.includes(name) && !(dialect.id === 'azure' && name === 'api-version'));
  const content = operation.requestBody?.content ?? {};
  const json = content['application/json']?.schema;
  const form = content['multipart/form-data']?.schema;
  const text = await context.req.text();
  const fields = form === undefined ? {} : await context.req.parseBody();
  const members = Object.fromEntries(Object.keys(fields).map((name) => [name.replace(/\[.*\]$/, ''), true]));
  return [
    stray === undefined ? null : `query parameter ${stray}`,
    json === undefined ? null : find('request', json, parseJson(text)),
    form === undefined ? null : find('request', describeMembers(form), members),
    json === undefined && form === undefined && text !== '' && text !== '{}' ? 'a body where the document has none' : null,
  ];
}

/** Of the fields of a form only the names are held to the document: they are texts and files, whatever their types are there. */
function describeMembers({ $ref }: JsonObject): JsonObject {
  const { document } = getChecker('openai');
  const { properties = {}, required = [] } = document.components.schemas[($ref as string).split('/').at(-1)!]!;
  return {
    required,
    additionalProperties: false,
    properties: Object.fromEntries(Object.keys(properties as JsonObject).map((name) => [name, {}])),
  };
}

const ErrorAnswer: JsonObject = {
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: ['string', 'null'] },
      },
    },
  },
};

async function findAnswerProblem(answer: Response, { find }: Checker, { responses }: Operation): Promise<string | null> {
  if (answer.status === 204) return null; // Azure's answer to a deletion
  const schema = answer.ok ? (responses['200']?.content?.['application/json']?.schema ?? null) : ErrorAnswer;
  const isFile = answer.headers.get('content-type') === 'application/octet-stream';
  return schema === null || isFile ? null : find('answer', schema, parseJson(await answer.clone().text()));
}

export interface OpenApiRecorder {
  readonly middleware: MiddlewareHandler<SandboxEnv>;
  /** Requests that were carried out although the document does not know them, answers that it does not know, and errors of the sandbox. */
  readonly problems: string[];
}

export function createOpenApiRecorder(): OpenApiRecorder {
  const problems: string[] = [];
  const middleware: MiddlewareHandler<SandboxEnv> = async (context, next) => {
    await next();
    const { method, path } = context.req;
    const note = (problem: string | null): void => void (problem !== null && problems.push(`${method} ${path}: ${problem}`));
    if (context.error !== undefined && !(context.error instanceof HTTPException)) note(String(context.error));
    const dialect = context.get('dialect') as SandboxContext['var']['dialect'] | undefined;
    if (dialect === undefined) return; // a request to the Hub
    const checker = getChecker(dialect.id);
    const documentPath = getDocumentPath(checker.document, path);
    if (documentPath === null) return;
    const operation = checker.document.paths[documentPath]?.[method.toLowerCase()];
    if (operation === undefined) return note('the document has no such operation');
    if (context.res.ok) (await findRequestProblems(context, checker, operation)).forEach(note);
    note(await findAnswerProblem(context.res, checker, operation));
  };
  return { middleware, problems };
}

/** A sandbox whose end fails where a request or an answer was not as the published document has it, or the sandbox itself had an error. */
export async function startCheckedSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { middleware, problems } = createOpenApiRecorder();
  const sandbox = await startSandbox({ ...options, middleware });
  const close = async (): Promise<void> => {
    await sandbox.close();
    if (problems.length > 0) throw new Error(`not as OpenAI's document has it: ${[...new Set(problems)].join('; ')}`);
  };
  return { ...sandbox, close, [Symbol.asyncDispose]: close };
}

import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { MiddlewareHandler } from 'hono';
import type { SandboxEnv } from '../../src/sandbox/main.ts';

/*
 * Holds what is sent to the stand-in of Together, and what it answers, to the service's published OpenAPI document. The document is no part
 * of the project, whose own requests and answers the compiler holds to the types of the official client: where `TOGETHER_SCHEMA` names a
 * copy of it as JSON, these tests hold both to it as well.
 */
const path = process.env['TOGETHER_SCHEMA'];

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

interface TogetherDocument {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly requestBody?: Content; readonly responses: Record<string, Content> }>>>
  >;
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Where the document lags behind the official client or contradicts itself: `nullable`, words of events, `true` or "auto", null as a level. */
function mend(value: Json): Json {
  if (Array.isArray(value)) return value.map(mend);
  if (typeof value !== 'object' || value === null) return value;
  const schema = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mend(inner)]));
  if ('oneOf' in schema && schema['type'] === 'boolean') delete schema['type'];
  if (Array.isArray(schema['enum']) && schema['enum'].includes('job_pending')) delete schema['enum'];
  if (Array.isArray(schema['enum']) && schema['enum'].includes(null)) delete schema['type'];
  if (Array.isArray(schema['enum']) && schema['enum'].includes('cancel_requested')) schema['enum'].push('user_error');
  return schema['nullable'] === true ? { anyOf: [schema, { type: 'null' }] } : schema;
}

export interface TogetherRecorder {
  readonly middleware: MiddlewareHandler<SandboxEnv>;
  readonly problems: string[];
}

export function createTogetherRecorder(): TogetherRecorder {
  const problems: string[] = [];
  if (path === undefined) return { middleware: async (_context, next) => await next(), problems };
  const document = mend(JSON.parse(readFileSync(path, 'utf8')) as Json) as unknown as TogetherDocument;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ ...document, $id: 'together' });
  const check = (what: string, { content }: Content, text: string): void => {
    const schema = content?.['application/json']?.schema;
    if (schema === undefined) return;
    const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"together#/components')) as object);
    if (!validate(JSON.parse(text))) problems.push(`${what}: ${ajv.errorsText(validate.errors)}`);
  };
  const middleware: MiddlewareHandler<SandboxEnv> = async (context, next) => {
    await next();
    const { method, path: asked } = context.req;
    const below = asked.replace(/^\/together\/v1/, '');
    const isIt = (template: string): boolean => new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(below);
    const known = document.paths[below] ?? document.paths[Object.keys(document.paths).find(isIt) ?? ''];
    const operation = asked.startsWith('/together/') ? known?.[method.toLowerCase()] : undefined;
    if (operation === undefined || !context.res.ok || context.res.status === 204) return;
    if (method === 'POST' && operation.requestBody !== undefined)
      check(`${method} ${below}`, operation.requestBody, await context.req.text());
    check(`the answer to ${method} ${below}`, operation.responses['200'] ?? {}, await context.res.clone().text());
  };
  return { middleware, problems };
}

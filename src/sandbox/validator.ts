import type { ErrorObject } from 'ajv';
import type { Dialect } from './dialect.ts';
import { ownSchemas } from './own-schemas.ts';
import { allowDeviations, type ApiDocument } from './schemas.ts';

export interface Problem {
  readonly message: string;
  /** The member that is wrong: `method.dpo.hyperparameters.beta`. */
  readonly param: string | null;
}

/** Holds bodies to a schema; null: they keep to it. */
export interface Validator {
  /** `name`: of the published document, as a dialect has it. */
  findProblem(dialect: Dialect['id'], name: string, value: unknown): Problem | null;
  /** `name`: of a body that the published document does not describe. */
  findOwnProblem(name: keyof typeof ownSchemas, value: unknown): Problem | null;
}

let loading: Promise<Validator> | undefined;

/** Loads the validator and the published document at the first request. */
export async function loadValidator(): Promise<Validator> {
  loading ??= createValidator();
  return await loading;
}

async function createValidator(): Promise<Validator> {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const imported = await import('../../fixtures/openapi/openai-fine-tuning.json', { with: { type: 'json' } });
  const document = imported.default as unknown as ApiDocument;
  // The document has formats and keywords of its own: neither says more than the types.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  for (const dialect of ['openai', 'azure'] as const) ajv.addSchema({ ...allowDeviations(document, dialect), $id: dialect });
  ajv.addSchema({ $id: 'sandbox', components: { schemas: ownSchemas } });
  const find = (id: string, name: string, value: unknown): Problem | null => {
    const validate = ajv.getSchema(`${id}#/components/schemas/${name}`);
    if (validate === undefined) throw new Error(`there is no schema ${name}`);
    return validate(value) === true ? null : toProblem(validate.errors ?? []);
  };
  return { findProblem: find, findOwnProblem: (name, value) => find('sandbox', name, value) };
}

/** Keywords that say what is wrong, before those that only say that none of several ways fits. */
const ranks: Readonly<Record<string, number>> = { additionalProperties: 0, enum: 2, const: 2, type: 2, anyOf: 3, oneOf: 3, not: 4, if: 5 };

function toProblem(errors: readonly ErrorObject[]): Problem {
  const depth = ({ instancePath }: ErrorObject): number => instancePath.split('/').length;
  const rank = ({ keyword }: ErrorObject): number => ranks[keyword] ?? 1;
  const [error] = [...errors].sort((a, b) => depth(b) - depth(a) || rank(a) - rank(b));
  if (error === undefined) return { message: 'Invalid request.', param: null };
  const { instancePath, keyword, message = 'is wrong' } = error;
  const params = error.params as { readonly additionalProperty?: string; readonly allowedValues?: unknown };
  const path = [instancePath.slice(1).replaceAll('/', '.'), params.additionalProperty ?? ''].filter((part) => part !== '').join('.');
  if (keyword === 'additionalProperties') return { message: `Unrecognized request argument supplied: ${path}`, param: path };
  const allowed = keyword === 'enum' ? `: ${JSON.stringify(params.allowedValues)}` : '';
  return { message: `Invalid ${path === '' ? 'body' : `'${path}'`}: ${message}${allowed}.`, param: path === '' ? null : path };
}

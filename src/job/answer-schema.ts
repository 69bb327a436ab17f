/** The JSON Schema that answers follow: from the job file, where it is an object or the path of one. */
import { resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isFailure } from '../errors.ts';
import { isObject, omitUndefined } from '../lib/json.ts';
import { formatValue } from '../lib/text.ts';
import { readJobText } from './job-text.ts';

/** A JSON Schema (draft 2020-12), or `{"type": "json_object"}` for any object. */
export type AnswerSchema = Readonly<Record<string, unknown>>;

const kind = { name: 'JSON Schema', code: 'job-file-invalid' } as const;

/** The schema that a job file names, or what is wrong with it. */
export async function readAnswerSchema(
  named: AnswerSchema | string,
  folder: string,
): Promise<{ readonly schema: AnswerSchema } | { readonly problem: string }> {
  try {
    const schema: unknown = typeof named === 'string' ? (await readJobText(resolve(folder, named), kind)).value : named;
    if (!isObject(schema)) return { problem: `expected a JSON Schema, found ${formatValue(schema)}` };
    createAnswerCheck(schema);
    return { schema };
  } catch (error) {
    if (isFailure(error)) return { problem: error.message };
    // The library throws errors of its own for what is no schema.
    return { problem: `expected a JSON Schema of draft 2020-12: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Whether values follow a schema. What the schema says of `format` is not checked, as the standard has it. */
export function createAnswerCheck(schema: AnswerSchema): (value: unknown) => boolean {
  // The library knows no older drafts by their address; what is named here is the same in them.
  const own = schema['type'] === 'json_object' ? { type: 'object' } : omitUndefined({ ...schema, $schema: undefined });
  const validate = new Ajv2020({ strict: false, validateFormats: false, logger: false }).compile(own);
  return (value) => validate(value);
}

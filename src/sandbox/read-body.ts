import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { parseForm, type Form } from './parse-form.ts';

export interface Body {
  /** Undefined where there is none. */
  readonly json?: unknown;
  readonly form?: Form;
  /** What kept it from being read. */
  readonly problem?: string;
}

/** Reads the whole body of a request, as JSON or as a form. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const bytes = await buffer(request);
  const type = request.headers['content-type'] ?? '';
  if (bytes.length === 0) return {};
  if (type.startsWith('multipart/form-data')) {
    const form = parseForm(bytes, type);
    return form === null ? { problem: 'We could not parse the multipart body of your request.' } : { form };
  }
  try {
    return { json: JSON.parse(bytes.toString('utf8')) as unknown };
  } catch {
    return { problem: 'We could not parse the JSON body of your request.' };
  }
}

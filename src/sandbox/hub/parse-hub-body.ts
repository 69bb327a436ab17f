import type { OwnSchemaName } from '../own-schemas.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';

/** The JSON body of a request, held to a schema. The schema is what vouches for the type. */
export function parseHubBody<Body>({ body, validator }: HubCall, schema: OwnSchemaName): Body {
  const json = parseJson(body.toString('utf8'));
  const problem = validator.findOwnProblem(schema, json);
  if (problem !== null) refuseHub(400, 'Invalid input', { more: { message: `✖ ${problem.message}` } });
  return json as Body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuseHub(400, 'Invalid input', { more: { message: '✖ expected JSON' } });
  }
}

import type { Validator } from '../validator.ts';
import type { JobTask } from './train-model.ts';

/** What a job was told, or why that cannot be read. The schema is what vouches for the type. */
export function parseTask(validator: Validator, text: string): JobTask | string {
  const json = parseJson(text);
  if (json === undefined) return 'expected JSON';
  const problem = validator.findOwnProblem('HubTask', json);
  return problem === null ? (json as JobTask) : problem.message;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import { Failure } from '../errors.ts';
import { checkJson } from './check-json.ts';
import type { ToolFields } from './row.ts';
import { formatValue } from '../lib/text.ts';
import { isObject } from '../lib/json.ts';

/**
 * `tools` and `parallel_tool_calls` as they stand beside a row's messages; null is absent.
 * @throws Failure `data-invalid` where they are something else, and for `functions`, their old word; as `checkJson`.
 */
export function parseTools(row: Readonly<Record<string, unknown>>, place: string): ToolFields {
  const { tools, parallel_tool_calls: parallel, functions } = row;
  if (functions !== undefined && functions !== null) {
    throw new Failure('data-invalid', `${place}: expected "tools", found "functions", its old word`);
  }
  if (tools !== undefined && tools !== null && !(Array.isArray(tools) && tools.every(isObject))) {
    throw new Failure(
      'data-invalid',
      `${place}: expected a list of objects in "tools", found ${Array.isArray(tools) ? 'other items' : formatValue(tools)}`,
    );
  }
  if (parallel !== undefined && parallel !== null && typeof parallel !== 'boolean') {
    throw new Failure('data-invalid', `${place}: expected true or false in "parallel_tool_calls", found ${formatValue(parallel)}`);
  }
  checkJson(tools, `${place}: tools`);
  return {
    ...(Array.isArray(tools) ? { tools } : {}),
    ...(typeof parallel === 'boolean' ? { parallel_tool_calls: parallel } : {}),
  };
}

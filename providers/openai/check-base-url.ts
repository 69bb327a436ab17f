import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import type { Dialect } from './dialect.ts';

/**
 * A job or a model is asked for only where it is: the same id at another address is another thing, or somebody else's.
 * @param what for the message, such as `the job ftjob-1`
 * @throws Failure `configuration-invalid`
 */
export function checkBaseUrl(
  dialect: Dialect,
  { what, baseUrl }: { readonly what: string; readonly baseUrl: string },
  context: Context,
): void {
  const present = dialect.getBaseUrl(context);
  if (present === baseUrl) return;
  throw new Failure('configuration-invalid', `${dialect.name}: expected the address of ${what}, ${baseUrl}, found ${present}`, {
    hint: 'set the address of the service as it was when this was submitted',
  });
}

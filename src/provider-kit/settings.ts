import type { z } from 'zod';
import { Failure } from '../errors.ts';
import type { Secret } from '../lib/redact.ts';
import type { Context } from '../provider/context.ts';

/**
 * A base URL without a slash at its end.
 * @param setting where it comes from, for the message
 * @throws Failure `configuration-invalid`
 */
export function parseBaseUrl(text: string, setting: string, example = 'https://api.example/v1'): string {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain) return url.href.replace(/\/+$/, '');
  // The value is not shown: an address may hold a password.
  throw new Failure('configuration-invalid', `${setting}: expected an address such as ${example}, found something else`, {
    hint: 'give it with http: or https:, without a password, a query and a fragment',
  });
}

/** The first of these credentials that the user has. @throws Failure `credentials-invalid` with the hint where there is none */
export function readCredential(
  context: Context,
  names: readonly string[],
  hint: string,
): { readonly name: string; readonly secret: Secret } {
  for (const name of names) {
    const secret = context.credential(name);
    if (secret !== null) return { name, secret };
  }
  throw new Failure('credentials-invalid', `${names.join(', ')}: expected a credential, found none`, { hint });
}

/** The credentials of these names that the user has, to be masked in everything that is shown. */
export function getSecrets(context: Context, names: readonly string[]): Secret[] {
  return names.map((name) => context.credential(name)).filter((secret) => secret !== null);
}

/** What a target sets under `options`. @throws Failure `job-file-invalid` with every problem, a line each */
export function parseOptions<T>(schema: z.ZodType<T>, target: string, options: unknown): T {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${['targets', target, 'options', ...issue.path].join('.')}: ${issue.message}`);
  throw new Failure('job-file-invalid', problems.join('\n'));
}

const deadlineSetting = 'ORCHESTRATE_REQUEST_SECONDS';

/** How long a request may take, where the user says it; for `createFetch`. @throws Failure `configuration-invalid` */
export function parseRequestDeadline(context: Pick<Context, 'setting'>): { deadlineMs?: number } {
  const text = context.setting(deadlineSetting);
  if (text === null) return {};
  const seconds = Number(text);
  if (seconds > 0 && Number.isFinite(seconds)) return { deadlineMs: seconds * 1000 };
  throw new Failure('configuration-invalid', `${deadlineSetting}: expected a number of seconds above 0, found "${text}"`);
}

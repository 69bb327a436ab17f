import type { Context } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { Failure } from '../../src/errors.ts';

const publicEndpoint = 'https://huggingface.co';

/** The Hub's address, without a slash at its end. @throws Failure `configuration-invalid` */
export function parseEndpoint(context: Context): string {
  const text = context.setting('HF_ENDPOINT') ?? publicEndpoint;
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain) return url.href.replace(/\/+$/, '');
  // What was found is not shown: an address may hold a password.
  throw new Failure('configuration-invalid', 'HF_ENDPOINT: expected an address such as https://huggingface.co, found something else', {
    hint: 'give it with http: or https:, without a password, a query and a fragment',
  });
}

/** Where a job is: the Hub and the namespace. */
export function formatLocation(endpoint: string, namespace: string): string {
  return `${endpoint}/${namespace}`;
}

/**
 * The namespace of a place, where the place is of the present Hub: the same name at another one is somebody else's.
 * @param what for the message, such as `the job 67a…`
 * @throws Failure `configuration-invalid`
 */
export function parseLocation({ location }: Pick<JobRef, 'location'>, what: string, context: Context): string {
  const endpoint = parseEndpoint(context);
  const namespace = location.slice(endpoint.length + 1);
  if (location.startsWith(`${endpoint}/`) && /^[\w.-]+$/.test(namespace)) return namespace;
  throw new Failure('configuration-invalid', `Hugging Face: expected the address of ${what}, ${location}, found ${endpoint}`, {
    hint: 'set HF_ENDPOINT as it was when this was submitted',
  });
}

import { Failure } from '../../src/errors.ts';

/**
 * A base URL without a slash at its end.
 * @param setting where it comes from, for the message
 * @throws Failure `configuration-invalid`
 */
export function parseBaseUrl(text: string, setting: string): string {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain) return url.href.replace(/\/+$/, '');
  // What was found is not shown: an address may hold a password.
  throw new Failure('configuration-invalid', `${setting}: expected an address such as https://api.example/v1, found something else`, {
    hint: 'give it with http: or https:, without a password, a query and a fragment',
  });
}

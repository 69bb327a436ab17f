import { Failure } from '../../errors.ts';

const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];

/**
 * Sends every request of this process through the proxies that the environment names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), by Node's
 * own means. For the composition root only, before the first request. Returns what undoes it.
 */
export function useEnvironmentProxy(environment: NodeJS.ProcessEnv): () => void {
  if (!names.some((name) => (environment[name] ?? '') !== '')) return () => {};
  try {
    // Not imported: importing node:http loads all of fetch, which most commands never need.
    return process.getBuiltinModule('node:http').setGlobalProxyFromEnv(environment);
  } catch {
    // Neither its address nor the error is shown: a proxy's address may hold a password.
    throw new Failure('configuration-invalid', `expected an address such as http://proxy.example:3128 in ${names.join(', ')}`, {
      hint: 'correct the variable, or unset it to go without a proxy',
    });
  }
}

import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import type { ServiceFile } from '../provider/service.ts';
import { Failure, isFailure } from '../errors.ts';

/** A provider that keeps jobs and models of an account. @throws Failure `usage` */
export function findService(providers: ReadonlyMap<string, Provider>, id: string): Provider {
  const services = [...providers.values()].filter(({ account }) => account?.jobs ?? account?.models);
  const found = services.find((provider) => provider.id === id);
  if (found !== undefined) return found;
  throw new Failure('usage', `expected a service that is one of ${services.map((one) => one.id).join(', ')}, found "${id}"`);
}

/** The files of the account; null: the service has no list of them, as gateways may not. */
export async function listServiceFiles({ account }: Provider, context: Context): Promise<ServiceFile[] | null> {
  if (account?.files === undefined) return null;
  try {
    return await Array.fromAsync(account.files(context));
  } catch (error) {
    if (isFailure(error, 'request-refused')) return null;
    throw error;
  }
}

import type { Provider } from '../contract/provider.ts';
import { Failure } from '../failure.ts';

/** A provider that keeps jobs and models of an account. @throws Failure `usage` */
export function findService(providers: ReadonlyMap<string, Provider>, id: string): Provider {
  const services = [...providers.values()].filter(({ listJobs, listModels }) => listJobs ?? listModels);
  const found = services.find((provider) => provider.id === id);
  if (found !== undefined) return found;
  throw new Failure('usage', `expected a service that is one of ${services.map((one) => one.id).join(', ')}, found "${id}"`);
}

import { Failure } from '../errors.ts';
import type { Context } from '../provider/context.ts';
import type { Deployments } from '../provider/provider.ts';
import { isRefusedWith } from './http.ts';
import { poll, retry } from './retry.ts';

/** A machine at a service that answers for one model while it runs. */
export interface TimedEndpoint {
  readonly id: string;
  /** Under which the model answers. */
  readonly name: string;
  readonly state: 'starting' | 'started' | 'stopped' | 'failed';
}

/** What a service's endpoints can do. */
export interface EndpointSteps {
  /** The name of the service, for messages. */
  readonly service: string;
  /** The one with our name for it, unless it has ended. */
  find(name: string, context: Context): Promise<TimedEndpoint | null>;
  read(id: string, context: Context): Promise<TimedEndpoint>;
  /** The one call that may cost: throws SubmitFailure. */
  create(model: string, name: string, context: Context): Promise<{ readonly id: string }>;
  /** May be repeated. */
  remove(id: string, context: Context): Promise<void>;
  /** @throws Failure `configuration-invalid` for something at another address */
  checkLocation(what: string, location: string, context: Context): void;
}

const patience = { firstMs: 1000, longestMs: 15_000, withinMs: 30 * 60_000 };
const mostDeletions = 4;

/** Deployments as endpoints that are paid by the time that they run. */
export function createTimedEndpoints(steps: EndpointSteps): Pick<Deployments, 'deploy' | 'undeploy'> {
  return {
    async deploy(model, name, context) {
      steps.checkLocation(`the model ${model.name}`, model.location, context);
      const { id } = (await steps.find(name, context)) ?? (await steps.create(model.name, name, context));
      const isUp = async (): Promise<TimedEndpoint | null> => {
        const endpoint = await steps.read(id, context);
        if (endpoint.state === 'started') return endpoint;
        if (endpoint.state === 'starting') return null;
        throw new Failure(
          'service-unavailable',
          `${steps.service} could not start the endpoint ${endpoint.name}: it has ${endpoint.state}`,
        );
      };
      const onTimeout = (): Failure => new Failure('timeout', `the endpoint ${id} has not started within 30 minutes`);
      return { ...model, name: (await poll(isUp, context, { ...patience, onTimeout })).name };
    },
    async undeploy(model, name, context) {
      steps.checkLocation(`the endpoint ${name}`, model.location, context);
      const endpoint = await steps.find(name, context);
      if (endpoint === null) return;
      const remove = async (): Promise<void> => await steps.remove(endpoint.id, context);
      await retry(remove, context, { tries: mostDeletions }).catch((error: unknown) => {
        if (!isRefusedWith(error, 404)) throw error;
      });
    },
  };
}

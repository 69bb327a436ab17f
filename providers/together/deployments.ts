import type Together from 'together-ai';
import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Deployments } from '../../src/provider/provider.ts';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { poll, retry } from '../../src/provider-kit/retry.ts';
import { api, call, submit } from './client.ts';

const Endpoint = z.looseObject({ id: z.string().min(1), name: z.string().min(1), display_name: z.string().nullish(), state: z.string() });
type Endpoint = z.infer<typeof Endpoint>;
const Endpoints = z.looseObject({ data: z.array(z.looseObject({ id: z.string().min(1) })) });

/** An endpoint that nobody asks for so long ends by itself, should nobody be there to end it. */
const idleMinutes = 60;
const patience = { firstMs: 1000, longestMs: 15_000, withinMs: 30 * 60_000 };
const mostDeletions = 4;

/** The account's endpoint with this name for people, which is ours. */
async function find(name: string, context: Context): Promise<Endpoint | null> {
  const listed = await call({ call: 'GET /endpoints' }, context, async (client) => {
    return parseAnswer(Endpoints, await client.endpoints.list({ type: 'dedicated', mine: true }), 'GET /endpoints').data;
  });
  // The list does not have the name for people.
  for (const { id } of listed) {
    const endpoint = await read(id, context);
    if (endpoint.display_name === name && endpoint.state !== 'STOPPED') return endpoint;
  }
  return null;
}

async function read(id: string, context: Context): Promise<Endpoint> {
  const route = `GET /endpoints/${encodeURIComponent(id)}`;
  return await call({ call: route }, context, async (client) => {
    return parseAnswer<Endpoint>(Endpoint, await client.endpoints.retrieve(id), route);
  });
}

const Hardware = z.looseObject({
  data: z.array(z.looseObject({ id: z.string(), pricing: z.looseObject({ cents_per_minute: z.number().positive() }) })),
});

/** The cheapest machine that the model runs on, and its price. */
async function chooseHardware(model: string, context: Context): Promise<{ readonly id: string; readonly usdPerHour: number }> {
  const route = 'GET /hardware';
  const { data } = await call({ call: route }, context, async (client) => {
    return parseAnswer<z.infer<typeof Hardware>>(Hardware, await client.endpoints.listHardware({ model }), route);
  });
  const [cheapest] = data.toSorted((a, b) => a.pricing.cents_per_minute - b.pricing.cents_per_minute);
  if (cheapest === undefined) throw new Failure('model-unavailable', `Together has no machine for ${model}`);
  return { id: cheapest.id, usdPerHour: (cheapest.pricing.cents_per_minute * 60) / 100 };
}

/** Dedicated endpoints: a tuned model answers under the endpoint's name while it runs, which costs by the minute. */
export const deployments: Deployments = {
  async deploy(model, name, context) {
    api.checkLocation(`the model ${model.name}`, model.location, context);
    const { id } = (await find(name, context)) ?? (await create(model.name, name, context));
    const isUp = async (): Promise<Endpoint | null> => {
      const endpoint = await read(id, context);
      if (endpoint.state !== 'ERROR' && endpoint.state !== 'STOPPED') return endpoint.state === 'STARTED' ? endpoint : null;
      throw new Failure('service-unavailable', `Together could not start the endpoint ${endpoint.name}: its state is ${endpoint.state}`);
    };
    const onTimeout = (): Failure => new Failure('timeout', `the endpoint ${id} has not started within 30 minutes`);
    return { ...model, name: (await poll(isUp, context, { ...patience, onTimeout })).name };
  },
  async undeploy(model, name, context) {
    api.checkLocation(`the endpoint ${name}`, model.location, context);
    const endpoint = await find(name, context);
    if (endpoint === null) return;
    const route = `DELETE /endpoints/${encodeURIComponent(endpoint.id)}`;
    const remove = async (): Promise<void> =>
      await call({ call: route }, context, async (client) => await client.endpoints.delete(endpoint.id));
    await retry(remove, context, { tries: mostDeletions }).catch((error: unknown) => {
      if (!isRefusedWith(error, 404)) throw error;
    });
  },
  async quote(model, context) {
    const { id, usdPerHour } = await chooseHardware(model.name, context);
    return {
      currency: 'USD',
      low: usdPerHour,
      high: usdPerHour,
      source: `GET /hardware: ${id}`,
      asOf: context.now().toISOString().slice(0, 10),
    };
  },
};

async function create(model: string, name: string, context: Context): Promise<Endpoint> {
  const { id } = await chooseHardware(model, context);
  const body: Together.EndpointCreateParams = {
    model,
    hardware: id,
    display_name: name,
    autoscaling: { min_replicas: 1, max_replicas: 1 },
    inactive_timeout: idleMinutes,
  };
  return await submit('POST /endpoints', context, async (client) => {
    return parseAnswer<Endpoint>(Endpoint, await client.endpoints.create(body), 'POST /endpoints');
  });
}

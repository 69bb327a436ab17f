import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Deployments } from '../../src/provider/provider.ts';
import { parseAnswer } from '../../src/provider-kit/json.ts';
import { createTimedEndpoints, type TimedEndpoint } from '../../src/provider-kit/timed-endpoints.ts';
import { api, call, read, submit } from './client.ts';

const states = new Map([
  ['STARTED', 'started'],
  ['STOPPED', 'stopped'],
  ['ERROR', 'failed'],
] as const);
const Endpoint = z
  .looseObject({ id: z.string().min(1), name: z.string().min(1), display_name: z.string().nullish(), state: z.string() })
  .transform(({ state, ...endpoint }) => ({ ...endpoint, state: states.get(state as 'STARTED') ?? ('starting' as const) }));
const Endpoints = z.looseObject({ data: z.array(z.looseObject({ id: z.string().min(1) })) });
const Hardware = z.looseObject({
  data: z.array(z.looseObject({ id: z.string(), pricing: z.looseObject({ cents_per_minute: z.number().positive() }) })),
});

/** An endpoint that nobody asks for so long ends by itself, should nobody be there to end it. */
const idleMinutes = 60;

const formatPath = (id: string): string => `/endpoints/${encodeURIComponent(id)}`;

/** The cheapest machine that the model runs on, and its price. */
async function chooseHardware(model: string, context: Context): Promise<{ readonly id: string; readonly usdPerHour: number }> {
  const { data } = await read({ path: `/hardware?model=${encodeURIComponent(model)}`, schema: Hardware }, context);
  const [cheapest] = data.toSorted((a, b) => a.pricing.cents_per_minute - b.pricing.cents_per_minute);
  if (cheapest === undefined) throw new Failure('model-unavailable', `Together has no machine for ${model}`);
  return { id: cheapest.id, usdPerHour: (cheapest.pricing.cents_per_minute * 60) / 100 };
}

/** Dedicated endpoints: a tuned model answers under the endpoint's name while it runs, which costs by the minute. */
export const deployments: Deployments = {
  ...createTimedEndpoints({
    service: 'Together',
    checkLocation: api.checkLocation,
    async find(name, context): Promise<TimedEndpoint | null> {
      const { data } = await read({ path: '/endpoints?type=dedicated&mine=true', schema: Endpoints }, context);
      // The list does not have the name for people.
      for (const { id } of data) {
        const endpoint = await read({ path: formatPath(id), schema: Endpoint }, context);
        if (endpoint.display_name === name && endpoint.state !== 'stopped') return endpoint;
      }
      return null;
    },
    read: async (id, context) => await read({ path: formatPath(id), schema: Endpoint }, context),
    async create(model, name, context) {
      const autoscaling = { min_replicas: 1, max_replicas: 1 };
      const { id: hardware } = await chooseHardware(model, context);
      return await submit('POST /endpoints', context, async ({ endpoints }) => {
        const made = await endpoints.create({ model, hardware, display_name: name, autoscaling, inactive_timeout: idleMinutes });
        return parseAnswer(Endpoint, made, 'POST /endpoints');
      });
    },
    remove: async (id, context) =>
      await call({ call: `DELETE ${formatPath(id)}` }, context, async ({ endpoints }) => await endpoints.delete(id)),
  }),
  async quote(model, context) {
    const { id, usdPerHour: usd } = await chooseHardware(model.name, context);
    return { currency: 'USD', low: usd, high: usd, source: `GET /hardware: ${id}`, asOf: context.now().toISOString().slice(0, 10) };
  },
};

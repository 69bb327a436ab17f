import { Failure } from '../../src/errors.ts';
import type { Context, DeploymentContext } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import type { Deployments, Quote } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import { poll, retry } from '../../src/provider-kit/retry.ts';
import { createApi } from '../openai-compatible/client.ts';
import { findPrice } from '../openai-compatible/prices.ts';
import { AzureOptions, config } from './config.ts';
import { openManagement, type DeploymentBody, type Management } from './management.ts';

const api = createApi(config);

/** From the request until a model answers some minutes pass; after half an hour something is wrong. */
const patience = { firstMs: 1000, longestMs: 15_000, withinMs: 30 * 60_000 };

/** A deletion may be asked for again: it costs nothing, and a deployment that is left costs by the hour. */
const mostDeletions = 4;

/** In thousands of tokens a minute: what Microsoft's own examples take. It costs nothing by itself. */
const capacity = 50;

const failedStates: readonly string[] = ['Failed', 'Canceled', 'Disabled'];

export const deployments: Deployments = {
  /**
   * Has Azure answer with a tuned model under a name, and waits until it can. An existing deployment of this name is used.
   * @throws SubmitFailure where the service was surely not asked, or has refused; Failure for everything else
   */
  async deploy(model, name, context) {
    const { management, found } = await explain(async () => {
      api.checkLocation(`the model ${model.name}`, model.location, context);
      const opened = openManagement(context);
      const before = await opened.read(name);
      if (before?.state !== 'Deleting') return { management: opened, found: before };
      await waitFor(opened, { name, isDone: isGone }, context);
      return { management: opened, found: null };
    }, 'no');
    if (found === null) await explain(async () => await management.create(name, buildBody(model, context)));
    else if (found.model !== model.name) {
      throw new Failure('request-refused', `the deployment ${name}: expected the model ${model.name}, found ${found.model}`, {
        hint: 'end it in the portal: it was not made by this run',
      });
    }
    await waitFor(management, { name, isDone: (state) => checkIsUp(name, state) }, context);
    return { ...model, name };
  },
  /** Ends a deployment, and waits until it is gone. @throws Failure `configuration-invalid` where it may be up in another account */
  async undeploy({ location }, name, context) {
    const management = openManagement(context);
    const isFound = await retry(async () => await management.delete(name), context, { tries: mostDeletions });
    if (!isFound) checkAccount(location, name, context);
    await waitFor(management, { name, isDone: isGone }, context);
  },
  /** By the tier in which the model was trained, an hour; the developer tier is free. Also says what `deploy` would lack. */
  async quote(model, context) {
    openManagement(context);
    return await Promise.resolve(quoteHour(model, context));
  },
};

/** Says of a failed call whether it was sent. @param sent what is known of a call that fails; absent: what its failure says */
async function explain<T>(call: () => Promise<T>, sent?: 'no'): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const outcome = toSendOutcome(error);
    const known = sent ?? outcome.sent;
    throw known === 'no' || known === 'refused' ? new SubmitFailure(known, outcome.failure) : error;
  }
}

/** A deployment that is not there is gone, unless the settings name another account than the one in which it was made. */
function checkAccount(location: string, name: string, context: Context): void {
  const [, owner] = /^https:\/\/([^./]+)\.(?:openai|cognitiveservices|services\.ai)\.azure\.com/i.exec(location) ?? [];
  const account = context.setting('AZURE_ACCOUNT') ?? '';
  if (owner === undefined || owner.toLowerCase() === account.toLowerCase()) return;
  throw new Failure('configuration-invalid', `the deployment ${name} is not in the account ${account}; its model is at ${location}`, {
    hint: `set AZURE_ACCOUNT to the account of ${location}, with its group and subscription; until it is ended there, it costs`,
  });
}

function quoteHour({ base }: EndpointModel, context: DeploymentContext): Quote | null {
  if (parseTier(context) === 'developertier') {
    const source = 'learn.microsoft.com: deployments of the developer tier have no hosting fee, and end after a day';
    return { currency: 'USD', low: 0, high: 0, source, asOf: '2026-11-22' };
  }
  const price = findPrice(api, { model: base, kind: 'hosting' }, context);
  return price === null ? null : { currency: 'USD', low: price.usd, high: price.usd, source: price.source, asOf: price.asOf };
}

function isGone(state: string | null): boolean {
  return state === null;
}

function checkIsUp(name: string, state: string | null): boolean {
  if (state === null || !failedStates.includes(state)) return state === 'Succeeded';
  throw new Failure('service-unavailable', `Azure could not provide the deployment ${name}: its state is ${state}`, {
    hint: 'the portal says why; `orchestrate undeploy` clears it away',
  });
}

interface Awaited {
  readonly name: string;
  /** Null: it is not there. */
  isDone(state: string | null): boolean;
}

async function waitFor(management: Management, { name, isDone }: Awaited, context: Context): Promise<void> {
  let state: string | null = null;
  const check = async (): Promise<true | null> => {
    state = (await management.read(name))?.state ?? null;
    return isDone(state) ? true : null;
  };
  const onTimeout = (): Failure =>
    new Failure('timeout', `the deployment ${name} is ${state ?? 'not there'} after ${patience.withinMs / 60_000} minutes`, {
      hint: 'the same command goes on waiting for it; `orchestrate undeploy` ends it',
    });
  await poll(check, context, { ...patience, onTimeout });
}

/** A model answers in the tier in which it was trained. */
function parseTier({ options }: DeploymentContext): string {
  return AzureOptions.parse(options).trainingType?.toLowerCase() ?? 'standard';
}

function buildBody({ name, base }: EndpointModel, context: DeploymentContext): DeploymentBody {
  const format = /^(gpt-(?!oss)|o\d)/.test(base) ? 'OpenAI' : 'OpenAI-OSS';
  return { sku: { name: parseTier(context), capacity }, properties: { model: { format, name, version: '1' } } };
}

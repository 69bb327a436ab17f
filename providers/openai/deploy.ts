import type { Context, DeploymentContext } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure, failureKinds, isFailure } from '../../src/errors.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import { azureDialect } from './azure.ts';
import { checkBaseUrl } from './check-base-url.ts';
import { openManagement, type DeploymentBody, type Management } from './management.ts';
import { AzureOptions } from './options.ts';
import { findPrice } from './prices.ts';

/** From the request until a model answers some minutes pass; after so long something is wrong. */
const patienceMs = 30 * 60_000;
/** Pauses between looks grow from one second to this. */
const longestPauseMs = 15_000;
/** A deletion may be asked for again: it costs nothing, and what is left costs by the hour. */
const mostDeletions = 4;

/** In thousands of tokens a minute: what Microsoft's own examples take. It costs nothing by itself. */
const capacity = 50;

const failedStates: readonly string[] = ['Failed', 'Canceled', 'Disabled'];

/**
 * Has Azure answer with a tuned model under a name, and waits until it can. A deployment of this name that is there already is the one.
 * @throws SubmitFailure where the service was surely not asked, or has refused; Failure for everything else
 */
export async function deploy(model: EndpointModel, name: string, context: DeploymentContext): Promise<EndpointModel> {
  const { management, found } = await ask(async () => {
    checkBaseUrl(azureDialect, { what: `the model ${model.name}`, baseUrl: model.location }, context);
    const opened = openManagement(context);
    const before = await opened.read(name);
    if (before?.state !== 'Deleting') return { management: opened, found: before };
    await waitFor(opened, { name, isDone: isNotFound }, context);
    return { management: opened, found: null };
  }, 'no');
  if (found === null) await ask(async () => await management.create(name, toBody(model, context)));
  else if (found.model !== model.name) {
    throw new Failure('request-refused', `the deployment ${name}: expected the model ${model.name}, found ${found.model}`, {
      hint: 'end it in the portal: it was not made by this run',
    });
  }
  await waitFor(management, { name, isDone: (state) => isUp(name, state) }, context);
  return { ...model, name };
}

/** @param sent what is known of a call that fails; absent: what its failure tells */
async function ask<T>(call: () => Promise<T>, sent?: 'no'): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const outcome = toSendOutcome(error);
    const known = sent ?? outcome.sent;
    throw known === 'no' || known === 'refused' ? new SubmitFailure(known, outcome.failure) : error;
  }
}

/** Ends a deployment, and waits until it is gone. @throws Failure `configuration-invalid` where it may be up in another account */
export async function undeploy({ location: baseUrl }: EndpointModel, name: string, context: Context): Promise<void> {
  const management = openManagement(context);
  for (let tries = 1; ; tries++) {
    try {
      if (!(await management.delete(name))) checkAccount(baseUrl, name, context);
      break;
    } catch (error) {
      if (!isFailure(error) || !failureKinds[error.code].retryable || tries === mostDeletions) throw error;
      await context.wait(error.retryAfterMs ?? 1000 * 2 ** tries);
    }
  }
  await waitFor(management, { name, isDone: isNotFound }, context);
}

/** What is not there is gone, unless the settings name another account than the one in which it was made. */
function checkAccount(baseUrl: string, name: string, context: Context): void {
  const [, owner] = /^https:\/\/([^./]+)\.(?:openai|cognitiveservices|services\.ai)\.azure\.com/i.exec(baseUrl) ?? [];
  const account = context.setting('AZURE_ACCOUNT') ?? '';
  if (owner === undefined || owner.toLowerCase() === account.toLowerCase()) return;
  throw new Failure('configuration-invalid', `the deployment ${name} is not in the account ${account}; its model is at ${baseUrl}`, {
    hint: `set AZURE_ACCOUNT to the account of ${baseUrl}, with its group and subscription; until it is ended there, it costs`,
  });
}

/** Of the kind of place where the model was trained, an hour; the developer tier is free. Also says what `deploy` would lack. */
export async function quoteDeployment(model: EndpointModel, context: DeploymentContext): Promise<Quote | null> {
  openManagement(context);
  if (toTier(context) === 'developertier') {
    const source = 'learn.microsoft.com: deployments of the developer tier have no hosting fee, and end after a day';
    return await Promise.resolve({ currency: 'USD', low: 0, high: 0, source, asOf: '2026-11-22' });
  }
  const price = findPrice(azureDialect, { model: model.base, kind: 'hosting' }, context);
  return price === null ? null : { currency: 'USD', low: price.usd, high: price.usd, source: price.source, asOf: price.asOf };
}

function isNotFound(state: string | null): boolean {
  return state === null;
}

function isUp(name: string, state: string | null): boolean {
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
  const untilMs = context.now().getTime() + patienceMs;
  for (let pauseMs = 1000; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const state = (await management.read(name))?.state ?? null;
    if (isDone(state)) return;
    if (context.now().getTime() >= untilMs) {
      throw new Failure('timeout', `the deployment ${name} is ${state ?? 'not there'} after ${patienceMs / 60_000} minutes`, {
        hint: 'the same command goes on waiting for it; `orchestrate undeploy` ends it',
      });
    }
    await context.wait(pauseMs);
  }
}

/** Where it answers: the same kind of place as it was trained at. */
function toTier({ options }: DeploymentContext): string {
  return AzureOptions.parse(options).trainingType?.toLowerCase() ?? 'standard';
}

function toBody({ name, base }: EndpointModel, context: DeploymentContext): DeploymentBody {
  const format = /^(gpt-(?!oss)|o\d)/.test(base) ? 'OpenAI' : 'OpenAI-OSS';
  return { sku: { name: toTier(context), capacity }, properties: { model: { format, name, version: '1' } } };
}

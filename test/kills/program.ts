/** The program as a person starts it, which is killed: with the stand-in's provider, and impatient with the sandbox. */
import { runCli } from '../../src/cli/main.ts';
import { providers, type Provider } from '../../src/index.ts';
import { createStandInProvider } from './provider.ts';

const { KILLS_URL, KILLS_SETTLE_MS, KILLS_TIMEOUT_MS, KILLS_LEASE_MS } = process.env;
const listingDelayMs = Number(KILLS_SETTLE_MS);

/** The provider as it is, but for the times that a trial has. */
function toHasty(provider: Provider): Provider {
  const observe: Provider['training']['observe'] = async (...args) => ({ ...(await provider.training.observe(...args)), nextInMs: 10 });
  return {
    ...provider,
    listingDelayMs,
    ...(provider.rate === undefined ? {} : { rate: { perSecond: 1000, burst: 1000 } }),
    training: { ...provider.training, observe },
  };
}

const standIn = createStandInProvider({ url: KILLS_URL ?? '', listingDelayMs, timeoutMs: Number(KILLS_TIMEOUT_MS) });
const hasty = providers.filter(({ id }) => ['openai', 'huggingface', 'together'].includes(id)).map(toHasty);
process.exitCode = await runCli(process.argv.slice(2), { providers: [standIn, ...hasty], leaseMs: Number(KILLS_LEASE_MS) });

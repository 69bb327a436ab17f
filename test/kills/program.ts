/** The program with the stand-in's provider: what a person starts, and what is killed. */
import { runCli } from '../../src/index.ts';
import { createStandInProvider } from './provider.ts';

const { KILLS_URL, KILLS_SETTLE_MS, KILLS_TIMEOUT_MS, KILLS_LEASE_MS } = process.env;
const provider = createStandInProvider({ url: KILLS_URL!, settleMs: Number(KILLS_SETTLE_MS), timeoutMs: Number(KILLS_TIMEOUT_MS) });
process.exitCode = await runCli(process.argv.slice(2), { providers: [provider], leaseMs: Number(KILLS_LEASE_MS) });

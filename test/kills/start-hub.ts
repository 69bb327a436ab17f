import { setTimeout as sleep } from 'node:timers/promises';
import type { Account as SandboxAccount, FaultPlans } from '../../src/sandbox/main.ts';
import type { Plan } from './plans.ts';
import type { Account, Service } from './service.ts';
import { openSandbox } from './start-sandbox.ts';

const otherJobs = 5;
const jobMs = 120;

/** The sandbox of the Hugging Face Hub and its Jobs: each trial has a token, and with it an account, of its own. */
export async function startHub(): Promise<Service> {
  const { env, control, stop } = await openSandbox();
  const readAccount = async (token: string): Promise<SandboxAccount> => {
    // What comes late must have shown what it is: a job that trains, or one that finds its attempt claimed.
    for (;;) {
      const account = (await control(token, 'account')) as SandboxAccount;
      const isOpen = account.hub.jobs.some(({ status, labels }) => labels['orchestrate_key'] !== undefined && !ends.includes(status.stage));
      if (!isOpen) return account;
      await sleep(20);
    }
  };
  return {
    name: 'hub',
    // Of a chat model the sandbox replays a training: nothing is computed.
    target: { provider: 'huggingface', model: 'hub:HuggingFaceTB/SmolLM2-135M-Instruct', options: { engine: 'trl' } },
    requests: { create: 'POST jobs/ID', upload: 'POST datasets/ID/ID/commit/main', fence: 'POST models/ID/ID/branch/ID' },
    toEnvironment: (token) => ({ HF_ENDPOINT: env.HF_ENDPOINT, HF_TOKEN: token }),
    async begin(trial, plan) {
      const token = `hf_sandbox_${trial}`;
      await control(token, 'settings', {
        jobMs: plan.looks === undefined ? jobMs : plan.looks * 100,
        listLagMs: plan.listLagMs ?? 0,
        otherJobs,
      });
      await control(token, 'faults', toFaults(plan));
      return token;
    },
    readAccount: async (token) => toAccount(await readAccount(token)),
    stop,
  };
}

const ends: readonly string[] = ['COMPLETED', 'ERROR', 'CANCELED'];

function toFaults({ faults = {} }: Plan): FaultPlans {
  const kinds = {
    upload: 'commit',
    fence: 'branch',
    create: 'job-create',
    list: 'job-list',
    get: 'job-get',
    cancel: 'job-cancel',
  } as const;
  return Object.fromEntries(Object.entries(faults).map(([kind, all]) => [kinds[kind as keyof typeof kinds], all]));
}

/** Longest time in seconds of a job that has nothing to train. */
const mostIdleSeconds = 2;

/** What is paid for is a job that trains; the others must end at once. */
function toAccount({ bill, hub }: SandboxAccount): Account {
  const ended = new Map(bill.flatMap((entry) => (entry.kind === 'hub-job-end' ? [[entry.job, entry] as const] : [])));
  const paid = bill.flatMap((entry) => {
    if (entry.kind !== 'hub-job') return [];
    const { trained = true, seconds = 0 } = ended.get(entry.job) ?? {};
    if (!trained && seconds <= mostIdleSeconds) return [];
    const { orchestrate_key: key = entry.job, orchestrate_attempt: attempt } = entry.labels;
    return [{ at: entry.at, key, attempt: Number(attempt), job: entry.job }];
  });
  const words: Readonly<Record<string, string>> = { COMPLETED: 'succeeded', CANCELED: 'cancelled' };
  const jobs = hub.jobs.map(({ id, labels, status }) => ({
    id,
    key: labels['orchestrate_key'] ?? id,
    status: words[status.stage] ?? status.stage,
  }));
  return { bill: paid, jobs };
}

import type { Account as SandboxAccount, FaultPlans } from '../../src/sandbox/main.ts';
import type { Plan } from './plans.ts';
import type { Account, Service } from './service.ts';
import { openSandbox } from './start-sandbox.ts';

const otherJobs = 5;
const jobMs = 120;

/** The sandbox of Together: each trial has an API key, and with it an account, of its own. */
export async function startTogether(): Promise<Service> {
  const { env, control, stop } = await openSandbox();
  return {
    name: 'together',
    target: { provider: 'together', model: 'Qwen/Qwen3-8B' },
    // A part of a path with a hyphen is an ID to the hook: `POST /together/v1/fine-tunes`.
    requests: { create: 'POST v1/ID', upload: 'POST v1/files', fence: 'DELETE v1/files/ID' },
    naive: 'naive-together.ts',
    toEnvironment: (key) => ({
      TOGETHER_BASE_URL: env.TOGETHER_BASE_URL,
      TOGETHER_API_BASE_URL: env.TOGETHER_BASE_URL,
      TOGETHER_API_KEY: key,
    }),
    async begin(trial, plan) {
      const key = `sk-sandbox-${trial}`;
      const settings = { jobMs: plan.looks === undefined ? jobMs : plan.looks * 100, listLagMs: plan.listLagMs ?? 0, otherJobs };
      await control(key, 'settings', settings);
      await control(key, 'faults', toFaults(plan));
      return key;
    },
    readAccount: async (key) => toAccount((await control(key, 'account')) as SandboxAccount),
    stop,
  };
}

function toFaults({ faults = {} }: Plan): FaultPlans {
  const { fence, ...rest } = faults;
  return { ...rest, ...(fence === undefined ? {} : { delete: fence }) };
}

/** A job carries its run as its suffix; its attempt stands in the name of its file, as long as that is there. */
function toAccount({ bill, together }: SandboxAccount): Account {
  const keys = new Map(together.jobs.map(({ id, suffix }) => [id, suffix ?? id]));
  const attempts = new Map(together.files.map(({ id, filename }) => [id, Number(filename.split('-').at(-2))]));
  const paid = bill.flatMap((entry) => {
    if (entry.kind !== 'job') return [];
    const { at, job, trainingFile } = entry;
    return [{ at, key: keys.get(job) ?? job, attempt: attempts.get(trainingFile) ?? Number.NaN, job }];
  });
  return { bill: paid, jobs: together.jobs.map(({ id, status }) => ({ id, key: keys.get(id)!, status: words[status] ?? status })) };
}

const words: Readonly<Record<string, string>> = { completed: 'succeeded' };

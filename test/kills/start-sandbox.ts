import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Account as SandboxAccount, FaultPlans } from '../../src/sandbox/main.ts';
import type { Plan } from './plans.ts';
import type { Account, Service } from './service.ts';

const otherJobs = 5;
const polls = 3;

interface RunningSandbox {
  readonly env: { readonly OPENAI_BASE_URL: string; readonly HF_ENDPOINT: string; readonly TOGETHER_BASE_URL: string };
  /** Asks about the account of a key, or with a body changes it. */
  control(key: string, path: string, body?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

/** The sandbox as its command starts it. */
export async function openSandbox(): Promise<RunningSandbox> {
  const command = [join(import.meta.dirname, '../../bin/orchestrate.js'), 'sandbox', '--port', '0', '--json'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { env } = JSON.parse(line) as Pick<RunningSandbox, 'env'>;
  const control: RunningSandbox['control'] = async (key, path, body) => {
    const init = body === undefined ? {} : { method: 'PUT', body: JSON.stringify(body) };
    const url = new URL(`/sandbox/${path}`, env.OPENAI_BASE_URL);
    const answer = await fetch(url, { ...init, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  };
  const stop = async (): Promise<void> => {
    child.kill();
    await once(child, 'exit');
  };
  return { env, control, stop };
}

/** The sandbox of the OpenAI API: each trial has an API key, and with it a world, of its own. */
export async function startSandbox(): Promise<Service> {
  const { env, control, stop } = await openSandbox();
  return {
    name: 'sandbox',
    target: { provider: 'openai', model: 'gpt-4.1-mini-2025-04-14' },
    requests: { create: 'POST fine_tuning/jobs', upload: 'POST files', fence: 'DELETE files/ID' },
    naive: 'naive-client.ts',
    toEnvironment: (key) => ({ OPENAI_BASE_URL: env.OPENAI_BASE_URL, OPENAI_API_KEY: key }),
    async begin(trial, plan) {
      const key = `sk-sandbox-${trial}`;
      await control(key, 'settings', { polls: plan.looks ?? polls, listLagMs: plan.listLagMs ?? 0, otherJobs });
      await control(key, 'faults', toFaults(plan));
      return key;
    },
    readAccount: async (key) => toAccount((await control(key, 'account')) as SandboxAccount),
    stop,
  };
}

function toFaults({ faults = {} }: Plan): FaultPlans {
  const { upload, fence, ...rest } = faults;
  return { ...rest, ...(upload === undefined ? {} : { upload }), ...(fence === undefined ? {} : { delete: fence }) };
}

function toAccount({ bill, jobs }: SandboxAccount): Account {
  const keys = new Map<string, string>();
  const paid = bill.flatMap((entry) => {
    if (entry.kind !== 'job') return [];
    const key = entry.metadata?.['orchestrate_key'] ?? entry.job;
    keys.set(entry.job, key);
    return [{ at: entry.at, key, attempt: Number(entry.metadata?.['orchestrate_attempt']), job: entry.job }];
  });
  const toJob = (id: string, status: unknown): Account['jobs'][number] => ({ id, key: keys.get(id) ?? id, status: String(status) });
  return { bill: paid, jobs: jobs.map(({ id, status }) => toJob(String(id), status)) };
}

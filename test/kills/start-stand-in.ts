import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Plan } from './plans.ts';
import type { Account } from './stand-in.ts';

/** The stand-in's process, as the harness sees it. */
export interface StandIn {
  /** Begins a service of its own for one trial; resolves with its address. */
  begin(trial: string, plan: Plan): Promise<string>;
  readAccount(url: string): Promise<Account>;
  stop(): Promise<void>;
}

export async function startStandIn(): Promise<StandIn> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./stand-in.ts', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    async begin(trial, plan) {
      const url = `http://127.0.0.1:${port}/${trial}`;
      await fetch(url, { method: 'PUT', body: JSON.stringify(plan) });
      return url;
    },
    readAccount: async (url) => (await (await fetch(url)).json()) as Account,
    async stop() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

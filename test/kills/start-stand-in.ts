import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Account, Service } from './service.ts';

/** The smallest service there can be, with a provider of its own. */
export async function startStandIn(): Promise<Service> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./stand-in.ts', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    name: 'stand-in',
    target: { provider: 'stand-in', model: 'model-x' },
    toEnvironment: (url) => ({ KILLS_URL: url }),
    requests: { create: 'POST jobs', upload: 'POST uploads', fence: 'DELETE uploads/ID' },
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

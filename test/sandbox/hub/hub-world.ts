import { onTestFinished } from 'vitest';
import type { Account } from '../../../src/sandbox/account.ts';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../../src/sandbox/start-sandbox.ts';
import type { TrainModel } from '../../../src/sandbox/hub/train-model.ts';

/** One request as it left a client. */
export interface Sent {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly origin: string;
  readonly hasToken: boolean;
  /** JSON, lines of JSON, or undefined for anything else. */
  readonly body: unknown;
  readonly status: number;
  /** JSON, or undefined for anything else. */
  readonly answer: unknown;
}

export interface HubFixture {
  readonly sandbox: Sandbox;
  /** What every call of the official client is given; its requests are in `sent`. */
  readonly hub: { readonly hubUrl: string; readonly accessToken: string; readonly fetch: typeof fetch };
  readonly sent: Sent[];
  /** The same for another account. */
  hubOf(name: string): { readonly hubUrl: string; readonly accessToken: string };
  /** The Hub without a client. */
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  account(): Account;
}

/** A sandbox on a clock that only steps, closed when the test ends. No test may find a fault of its own in it. */
export async function openHubFixture(options: SandboxOptions = {}): Promise<HubFixture> {
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date('2026-11-01T00:00:00Z'), seed: 7, ...options });
  const { HF_ENDPOINT: hubUrl, HF_TOKEN: accessToken } = sandbox.env;
  onTestFinished(async () => {
    const { violations } = sandbox.account();
    await sandbox.close();
    if (violations.length > 0) throw new Error(`faults of the sandbox: ${violations.join('; ')}`);
  });
  const sent: Sent[] = [];
  const recording: typeof fetch = async (input, init = {}) => {
    const { origin, pathname: path, search: query } = new URL(input instanceof Request ? input.url : input);
    const hasToken = new Headers(init.headers).has('authorization');
    const answered = await fetch(input, init);
    const isJson = init.method !== 'HEAD' && answered.headers.get('content-type')?.includes('json') === true;
    const answer: unknown = isJson ? await answered.clone().json() : undefined;
    sent.push({ method: init.method ?? 'GET', path, query, origin, hasToken, body: toBody(init.body), status: answered.status, answer });
    return answered;
  };
  return {
    sandbox,
    hub: { hubUrl, accessToken, fetch: recording },
    sent,
    hubOf: (name) => ({ hubUrl, accessToken: `hf_sandbox_${name}` }),
    async ask(method, path, body, headers = {}) {
      const json = body === undefined ? {} : { body: JSON.stringify(body) };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const all = { authorization: `Bearer ${accessToken}`, ...type, ...headers };
      return await fetch(`${hubUrl}${path}`, { method, redirect: 'manual', ...json, headers: all });
    },
    account: () => sandbox.account(),
  };
}

function toBody(body: RequestInit['body']): unknown {
  if (typeof body !== 'string') return undefined;
  const lines = body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return lines.length === 1 ? lines[0] : lines;
}

export const trainRows = [
  { text: 'I like it', label: 'good' },
  { text: 'I hate it', label: 'bad' },
];

/** Trains nothing: three figures, and a small file for weights. */
export const trainQuickly: TrainModel = async ({ task, rows }) =>
  await Promise.resolve({
    files: new Map([
      ['config.json', Buffer.from(JSON.stringify({ model_type: 'bert', labels: task.labels }))],
      ['model.safetensors', Buffer.concat([Buffer.alloc(8), rows.train])],
    ]),
    figures: [
      { step: 1, steps: 2, values: { loss: 0.7, learning_rate: 1e-5, epoch: 0.5 } },
      { step: 2, steps: 2, values: { loss: 0.5, learning_rate: 0, epoch: 1 } },
      { step: 2, steps: 2, values: { eval_loss: 0.6, eval_accuracy: 0.75, eval_runtime: 0.1, epoch: 1 } },
    ],
  });

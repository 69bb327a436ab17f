import { readFileSync } from 'node:fs';
import { createRepo, getJob, runJob } from '@huggingface/hub';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import type { Account, Sandbox, SandboxOptions, TrainModel, WireHubJob } from '../../src/sandbox/main.ts';
import { startCheckedSandbox } from './openapi.ts';

/** One request as it left the client of the Hub. */
export interface Sent {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly origin: string;
  readonly hasToken: boolean;
  /** JSON, lines of JSON, or undefined for anything else. */
  readonly body: unknown;
  readonly status: number;
  /** JSON, or undefined for anything else. */
  readonly answer: unknown;
}

export interface SandboxFixture {
  readonly sandbox: Sandbox;
  /** The official client, with nothing but address and key; it never tries again. */
  readonly client: OpenAI;
  clientOf(apiKey: string): OpenAI;
  /** What every call of the Hub's official client is given; its requests are in `sent`. */
  readonly hub: { readonly hubUrl: string; readonly accessToken: string; readonly fetch: typeof fetch };
  readonly sent: Sent[];
  hubOf(name: string): { readonly hubUrl: string; readonly accessToken: string };
  /** A request without a client; its key is also a token of the Hub. */
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  account(): Account;
}

/** A sandbox on a clock that only steps, closed when the test ends. Its end fails where it broke the published document. */
export async function openSandbox(options: SandboxOptions = {}): Promise<SandboxFixture> {
  const sandbox = await startCheckedSandbox({ clock: 'stepped', now: () => new Date('2026-11-01T00:00:00Z'), seed: 7, ...options });
  onTestFinished(sandbox.close);
  const { HF_ENDPOINT: hubUrl, HF_TOKEN: accessToken, OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = sandbox.env;
  const clientOf = (key: string): OpenAI => new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
  const sent: Sent[] = [];
  const record: typeof fetch = async (input, init = {}) => {
    const { origin, pathname: path } = new URL(input instanceof Request ? input.url : input);
    const hasToken = new Headers(init.headers).has('authorization');
    const answered = await fetch(input, init);
    const isJson = init.method !== 'HEAD' && answered.headers.get('content-type')?.includes('json') === true;
    const answer: unknown = isJson ? await answered.clone().json() : undefined;
    sent.push({ method: init.method ?? 'GET', path, origin, hasToken, body: parseBody(init.body), status: answered.status, answer });
    return answered;
  };
  return {
    sandbox,
    client: clientOf(apiKey),
    clientOf,
    hub: { hubUrl, accessToken, fetch: record },
    sent,
    hubOf: (name) => ({ hubUrl, accessToken: `hf_sandbox_${name}` }),
    async ask(method, path, body, headers = {}) {
      const isHub = path.startsWith('/api/') || path.includes('/resolve/') || path.includes('/info/lfs/');
      const json = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const all = { authorization: `Bearer ${isHub ? accessToken : apiKey}`, 'content-type': 'application/json', ...headers };
      return await fetch(`${sandbox.url}${path}`, { method, redirect: 'manual', ...json, headers: all });
    },
    account: () => sandbox.account(),
  };
}

function parseBody(body: RequestInit['body']): unknown {
  if (typeof body !== 'string') return undefined;
  const lines = body.trim().split('\n');
  return lines.length === 1 ? JSON.parse(body) : lines.map((line) => JSON.parse(line) as unknown);
}

export const base = 'gpt-4.1-mini-2025-04-14';
export const instructions = 'Which mood? Answer with exactly one of these labels: "negative", "positive".';

export interface SentimentRow {
  readonly text: string;
  readonly label: string;
}

export function readSentiment(part: 'train' | 'test'): SentimentRow[] {
  const lines = readFileSync(new URL(`../../fixtures/sentiment/${part}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as SentimentRow);
}

export function formatLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** A training file of classifications. */
export function formatChats(rows: readonly SentimentRow[]): string {
  const system = { role: 'system', content: instructions };
  const chats = rows.map(({ text, label }) => [system, { role: 'user', content: text }, { role: 'assistant', content: label }]);
  return formatLines(chats.map((messages) => ({ messages })));
}

/** The smallest training file that is accepted. */
export const smallLines = formatChats(readSentiment('train').slice(0, 10));

/** Uploads a training file; returns its identifier. */
export async function uploadLines(client: OpenAI, lines = smallLines): Promise<string> {
  return (await client.files.create({ purpose: 'fine-tune', file: new File([lines], 'train.jsonl') })).id;
}

/** Creates a job, on the smallest file where none is named. */
export async function createJob(
  client: OpenAI,
  body: Partial<OpenAI.FineTuning.JobCreateParams> = {},
): Promise<OpenAI.FineTuning.FineTuningJob> {
  return await client.fineTuning.jobs.create({ model: base, training_file: body.training_file ?? (await uploadLines(client)), ...body });
}

/** What a job of ours at the Hub is told. */
export function formatTask(changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    version: 1,
    engine: 'autotrain',
    task: 'text-classification',
    dataset: { repo: 'demo/rows', revision: 'main', train: 'train.jsonl', validation: null, textColumn: 'text', labelColumn: 'label' },
    labels: ['bad', 'good'],
    maxLength: 64,
    model: { base: 'google-bert/bert-base-uncased' },
    output: { repo: 'demo/tuned' },
    parameters: { epochs: 1 },
    ...changes,
  });
}

interface HubJobOptions {
  readonly environment?: Record<string, string>;
  readonly secrets?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly timeoutSeconds?: number;
}

/** Starts a job of ours at the Hub; returns its identifier. */
export async function startHubJob({ hub }: Pick<SandboxFixture, 'hub'>, options: HubJobOptions = {}): Promise<string> {
  const about = { flavor: 'a10g-large' as const, dockerImage: 'huggingface/autotrain-advanced:latest', command: ['bash', '-c', 'program'] };
  const labels = { name: 'tuned', orchestrate_key: 'k1' };
  const environment = { ORCHESTRATE_JOB: formatTask() };
  const usual = { environment, secrets: { HF_TOKEN: hub.accessToken }, labels, timeoutSeconds: 600 };
  return (await runJob({ ...hub, namespace: 'demo', ...about, ...usual, ...options })).id;
}

/** Brings rows, makes the repository of the model, and starts one job; returns its identifier. */
export async function openHubJob(fixture: SandboxFixture, options: HubJobOptions = {}): Promise<string> {
  const { hub } = fixture;
  const content = new Blob([
    formatLines([
      { text: 'I like it', label: 'good' },
      { text: 'I hate it', label: 'bad' },
    ]),
  ]);
  await createRepo({
    ...hub,
    repo: { type: 'dataset', name: 'demo/rows' },
    visibility: 'private',
    files: [{ path: 'train.jsonl', content }],
  });
  await createRepo({ ...hub, repo: 'demo/tuned', visibility: 'private' });
  return await startHubJob(fixture, options);
}

/** Retrieves a job of the Hub; the client's own type of its stage is wrong. */
export async function readHubJob({ hub }: SandboxFixture, id: string): Promise<WireHubJob> {
  return (await getJob({ ...hub, namespace: 'demo', jobId: id })) as unknown as WireHubJob;
}

/** Trains nothing: three figures, and a small file for weights. */
export const trainQuickly: TrainModel = async ({ rows }) =>
  await Promise.resolve({
    files: new Map([
      ['config.json', Buffer.from('{"model_type":"bert"}')],
      ['model.safetensors', Buffer.concat([Buffer.alloc(8), rows.train])],
    ]),
    figures: [
      { step: 1, steps: 2, values: { loss: 0.7, learning_rate: 1e-5, epoch: 0.5 } },
      { step: 2, steps: 2, values: { loss: 0.5, learning_rate: 0, epoch: 1 } },
      { step: 2, steps: 2, values: { eval_loss: 0.6, eval_accuracy: 0.75, eval_runtime: 0.1, epoch: 1 } },
    ],
  });

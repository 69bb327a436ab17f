import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/start-sandbox.ts';

export const base = 'gpt-4.1-mini-2025-04-14';
export const instructions = 'Which mood? Answer with exactly one of these labels: "negative", "positive".';

export interface SandboxFixture {
  readonly sandbox: Sandbox;
  /** The official client, told nothing but address and key; it never tries again. */
  readonly client: OpenAI;
  clientOf(apiKey: string): OpenAI;
}

/** A sandbox on a clock that only steps, closed when the test ends. No test may find it in breach of the published schemas. */
export async function openSandbox(options: SandboxOptions = {}): Promise<SandboxFixture> {
  const sandbox = await startSandbox({ clock: 'stepped', now: () => new Date('2026-11-01T00:00:00Z'), seed: 7, ...options });
  const keys = new Set([sandbox.env.OPENAI_API_KEY]);
  onTestFinished(async () => {
    const violations = [...keys].flatMap((key) => sandbox.account(key).violations);
    await sandbox.close();
    if (violations.length > 0) throw new Error(`the sandbox broke the published schemas: ${violations.join('; ')}`);
  });
  const clientOf = (apiKey: string): OpenAI => {
    keys.add(apiKey);
    return new OpenAI({ baseURL: sandbox.env.OPENAI_BASE_URL, apiKey, maxRetries: 0 });
  };
  return { sandbox, client: clientOf(sandbox.env.OPENAI_API_KEY), clientOf };
}

export interface SentimentRow {
  readonly text: string;
  readonly label: string;
}

export function readSentiment(part: 'train' | 'test'): SentimentRow[] {
  const text = readFileSync(new URL(`../../fixtures/sentiment/${part}.jsonl`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SentimentRow);
}

export function toLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** A training file of classifications. */
export function toChatLines(rows: readonly SentimentRow[]): string {
  return toLines(
    rows.map(({ text, label }) => ({
      messages: [
        { role: 'system', content: instructions },
        { role: 'user', content: text },
        { role: 'assistant', content: label },
      ],
    })),
  );
}

/** The smallest training file that is accepted. */
export const smallLines = toChatLines(readSentiment('train').slice(0, 10));

/** Uploads a training file; its identifier. */
export async function uploadLines(client: OpenAI, lines = smallLines): Promise<string> {
  return (await client.files.create({ purpose: 'fine-tune', file: new File([lines], 'train.jsonl') })).id;
}

/** A job, on the smallest file where none is named. */
export async function createJob(
  client: OpenAI,
  body: Partial<OpenAI.FineTuning.JobCreateParams> = {},
): Promise<OpenAI.FineTuning.FineTuningJob> {
  return await client.fineTuning.jobs.create({ model: base, training_file: body.training_file ?? (await uploadLines(client)), ...body });
}

export async function gather<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  return await Array.fromAsync(items);
}

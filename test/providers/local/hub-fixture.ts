import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Attempt } from '../../../src/provider/context.ts';
import { startSandbox, type Sandbox } from '../../../src/sandbox/main.ts';
import { createContexts, createSteppedClock } from '../stepped-context.ts';

/** The small model with a card, as a repository of the Hub has it. */
export function readTinyBert(): Map<string, Uint8Array> {
  const folder = 'fixtures/models/tiny-bert';
  const files = readdirSync(folder).map((name): [string, Uint8Array] => [name, readFileSync(join(folder, name))]);
  return new Map([
    ...files,
    ['README.md', Buffer.from('---\nlicense: apache-2.0\n---\n# tiny\n')],
    ['pytorch_model.bin', Buffer.from('x')],
  ]);
}

export interface HubTrial {
  readonly sandbox: Sandbox;
  /** The paths of the requests so far. */
  readonly asked: string[];
  /** Where models are kept. */
  readonly cache: string;
  /** What was told to the person. */
  readonly said: string[];
  /** A context with other settings; null takes one away. */
  toContext(values?: Readonly<Record<string, string | null>>, signal?: AbortSignal): Attempt;
}

/** The sandbox's Hub with public models, and a machine without any. */
export async function createHubTrial(
  models: Readonly<Record<string, ReadonlyMap<string, Uint8Array>>> = { 'acme/tiny': readTinyBert() },
): Promise<HubTrial> {
  const asked: string[] = [];
  const sandbox = await startSandbox({
    models: new Map(Object.entries(models)),
    middleware: async (context, next) => {
      asked.push(context.req.path);
      await next();
    },
  });
  const clock = createSteppedClock();
  const said: string[] = [];
  const base = createContexts({ clock, values: {} });
  onTestFinished(async () => {
    await sandbox.close();
    base.remove();
  });
  const cache = join(base.folder, 'cache');
  return {
    sandbox,
    asked,
    cache,
    said,
    toContext(values = {}, signal) {
      const all = { HF_ENDPOINT: sandbox.url, HF_TOKEN: null, ORCHESTRATE_MODELS: cache, ...values };
      const contexts = createContexts({ clock, values: all });
      onTestFinished(contexts.remove);
      const wait = async (): Promise<void> => await new Promise((resolve) => void setTimeout(resolve, 5)); // lets another process go on
      return { ...contexts.toAttempt(undefined, undefined, signal), wait, report: (text) => void said.push(text) };
    },
  };
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { open, type StartProcess } from '../../providers/local/open-model.ts';
import type { Context } from '../../src/provider/context.ts';
import type { AnswerPart, AnswerRequest, OpenModel } from '../../src/provider/open-model.ts';
import { startServer, type RunningServer, type Served, type ServerOptions } from '../../src/server/main.ts';
import { createScratchFolder } from '../scratch.ts';

export const context: Context = {
  signal: new AbortController().signal,
  now: () => new Date('2026-11-22T12:00:00Z'),
  wait: async () => await Promise.resolve(),
  setting: () => null,
  credential: () => null,
};

/** A folder of a model that writes, but for its weights. */
export function writeModelFolder(more: object = {}): string {
  const folder = join(createScratchFolder(), 'writer');
  mkdirSync(folder);
  const put = (name: string, json: object): void => writeFileSync(join(folder, name), JSON.stringify(json));
  put('config.json', { architectures: ['LlamaForCausalLM'], model_type: 'llama', max_position_embeddings: 512 });
  put('tokenizer.json', { model: { type: 'BPE', vocab: { a: 0 } } });
  const template =
    "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
  put('tokenizer_config.json', { chat_template: template, ...more });
  return folder;
}

export interface Writer {
  readonly model: OpenModel;
  /** The processes that were started, oldest first. */
  readonly processes: readonly ChildProcess[];
}

/** A model that writes what its prompt says: see fake-generator.ts. */
export async function openWriter(folder = writeModelFolder()): Promise<Writer> {
  const processes: ChildProcess[] = [];
  const start: StartProcess = () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'fake-generator.ts'), join(folder, 'has-died')], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    processes.push(child);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  return { model: await open({ kind: 'folder', path: folder }, context, start), processes };
}

/** A model without a process. */
export function createModel(
  answer: (request: AnswerRequest, signal: AbortSignal) => AsyncIterable<AnswerPart>,
  gives: OpenModel['gives'] = 'text',
): OpenModel {
  return { gives, maxLength: 64, note: null, answer, close: async () => await Promise.resolve() };
}

export const end: AnswerPart = { type: 'end', reason: 'stop', promptTokens: 3, tokens: 1, truncated: false };

export interface Started {
  readonly server: RunningServer;
  readonly client: OpenAI;
  /** What the server has said of faults that were not of a request. */
  readonly faults: string[];
}

/** A server of a model, closed at the end of the test, and the official client for it. */
export async function start(model: OpenModel, options: Partial<ServerOptions & Pick<Served, 'names' | 'question'>> = {}): Promise<Started> {
  const faults: string[] = [];
  const { names = ['chat/laptop', 'ft:old'] as const, question, ...rest } = options;
  const server = await startServer(
    { model, names, question },
    {
      port: 0,
      host: '127.0.0.1',
      key: null,
      now: context.now,
      onFailure: (error) => void faults.push(error instanceof Error ? error.message : String(error)),
      ...rest,
    },
  );
  let isClosed = false;
  const close = async (graceMs: number): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await server.close(graceMs);
  };
  onTestFinished(async () => await close(0));
  const client = new OpenAI({ baseURL: server.url, apiKey: 'sk-none', maxRetries: 0 });
  return { server: { ...server, close }, client, faults };
}

/**
 *     node test/python/serve.ts --python PATH
 *
 * The official client of OpenAI for Python asks `orchestrate serve` for a classifier, and a server of a model that writes.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Secret } from '../../src/lib/redact.ts';
import type { AnswerPart, OpenModel } from '../../src/provider/open-model.ts';
import { startServer } from '../../src/server/main.ts';
import { saveModel } from '../../src/trainer/save-model.ts';
import { openTinyClassifier, tinyBert } from '../trainer/tiny-classifier.ts';
import { openPythonChecks } from './python.ts';

const key = 'sk-of-the-test';
const words = ['It ', 'was ', 'a ', 'fine ', 'film.'];

/** A model that says the same to everybody. */
const writer: OpenModel = {
  gives: 'text',
  maxLength: 512,
  note: null,
  async *answer({ alternatives }) {
    for (const text of words) {
      const top = [text, 'other'].slice(0, alternatives ?? 0).map((one, i) => ({ text: one, logProbability: -i - 0.5 }));
      yield await Promise.resolve<AnswerPart>({ type: 'text', text, logProbability: -0.5, alternatives: top });
    }
    yield { type: 'end', reason: 'stop', promptTokens: 4, tokens: words.length, truncated: false };
  },
  close: async () => await Promise.resolve(),
};

interface Answers {
  readonly models: readonly string[];
  readonly model: string;
  readonly whole: string;
  readonly finish: string;
  readonly tokens: readonly string[];
  readonly alternatives: readonly number[];
  readonly usage: number;
  readonly stream: string;
  readonly stream_usage: number;
  readonly text: string;
  readonly text_tokens: readonly string[];
  readonly text_stream: string;
  readonly no_model: unknown;
  readonly many: unknown;
  readonly wrong_key: unknown;
}

/** A server in a process of its own, since the client is waited for. */
async function start(args: readonly string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, SERVE_KEY: key } });
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (typeof value !== 'string') throw new Error('expected the server to print its address');
  return { child, url: (JSON.parse(value) as { url: string }).url };
}

async function check(): Promise<void> {
  const checks = openPythonChecks('serve');
  const folder = mkdtempSync(join(tmpdir(), 'serve-'));
  const compare = (name: string, found: unknown, expected: unknown): void =>
    checks.check(name, JSON.stringify(found) === JSON.stringify(expected), found);
  const ask = (what: string, url: string, { model, isAnswer }: { model: string; isAnswer: (text: string) => boolean }): void => {
    const said = checks.ask<Answers>(url, key, model);
    compare(`${what}: the models`, said.models, [model, 'ft:old']);
    compare(`${what}: the model`, said.model, model);
    checks.check(`${what}: its answer`, isAnswer(said.whole), said.whole);
    compare(`${what}: its end`, said.finish, 'stop');
    compare(`${what}: its tokens`, said.tokens.join(''), said.whole);
    compare(`${what}: two alternatives each`, [...new Set(said.alternatives)], [2]);
    compare(`${what}: the sum of the tokens`, said.usage, 0);
    compare(`${what}: as it comes`, said.stream, said.whole);
    compare(`${what}: tokens of the stream`, said.stream_usage, said.tokens.length);
    compare(`${what}: a completion`, [said.text, said.text_tokens.join('')], [said.whole, said.whole]);
    compare(`${what}: a completion as it comes`, said.text_stream, said.whole);
    compare(`${what}: another model`, said.no_model, ['NotFoundError', 404, 'model_not_found']);
    compare(`${what}: several answers`, said.many, ['BadRequestError', 400, 'unsupported_value']);
    compare(`${what}: a wrong key`, said.wrong_key, ['AuthenticationError', 401, 'invalid_api_key']);
  };
  const children: ChildProcess[] = [];
  try {
    const model = join(folder, 'tickets');
    saveModel(await openTinyClassifier('cpu'), model, { source: tinyBert, card: '', base: 'tiny' });
    const options = ['--port', '0', '--json', '--alias', 'ft:old', '--key-name', 'SERVE_KEY'];
    const classifier = await start(['bin/orchestrate.js', 'serve', model, ...options]);
    children.push(classifier.child);
    ask('a classifier', classifier.url, { model: 'tickets', isAnswer: (text) => ['negative', 'positive'].includes(text) });
    const writing = await start([import.meta.filename, '--writer']);
    children.push(writing.child);
    ask('a model that writes', writing.url, { model: 'chat/laptop', isAnswer: (text) => text === words.join('') });
  } finally {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true });
  }
  checks.end();
}

const { values } = parseArgs({ options: { python: { type: 'string' }, writer: { type: 'boolean' } } });
if (values.writer === true) {
  const options = { port: 0, host: '127.0.0.1', key: new Secret(key), now: () => new Date(), onFailure: () => {} };
  const { url } = await startServer({ model: writer, names: ['chat/laptop', 'ft:old'] }, options);
  process.stdout.write(`${JSON.stringify({ url })}\n`);
} else await check();

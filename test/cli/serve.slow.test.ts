import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { saveModel } from '../../src/trainer/save-model.ts';
import { createScratchFolder } from '../scratch.ts';
import { openTinyClassifier, tinyBert } from '../trainer/tiny-classifier.ts';
import { startCli, type Ended } from './run-cli.ts';
import { writeJob } from './write-job.ts';

let model: string;

/** A classifier that knows nothing, which is enough to answer. */
beforeAll(async () => {
  model = join(mkdtempSync(join(tmpdir(), 'orchestrate-')), 'tickets');
  saveModel(await openTinyClassifier('cpu'), model, { source: tinyBert, card: '', base: 'tiny' });
});

interface Serving {
  /** The lines of standard output. */
  readonly lines: AsyncIterator<string>;
  readonly ended: Promise<Ended>;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}

function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}): Serving {
  const started = startCli(['serve', ...args, '--port', '0'], { env: { ...process.env, ORCHESTRATE_DIR: createScratchFolder(), ...env } });
  onTestFinished(() => void started.child.kill('SIGKILL'));
  const lines = createInterface({ input: started.child.stdout! })[Symbol.asyncIterator]();
  return { lines, ended: started.ended, pid: started.child.pid!, kill: (signal) => void started.child.kill(signal) };
}

/** @throws what the command said instead of a line */
async function readLine({ lines, ended }: Serving): Promise<string> {
  const { value } = (await lines.next()) as { value?: string };
  if (value === undefined) throw new Error(JSON.stringify(await ended));
  return value;
}

async function readUrl(serving: Serving): Promise<{ url: string; models: string[] }> {
  return JSON.parse(await readLine(serving)) as { url: string; models: string[] };
}

test.each(['SIGINT', 'SIGTERM'] as const)('a folder answers until %s, and then the command ends well', async (signal) => {
  const serving = serve([model, '--json', '--alias', 'ft:gpt-4o-mini:old', 'support']);
  const { url, models } = await readUrl(serving);
  expect(models).toEqual(['tickets', 'ft:gpt-4o-mini:old', 'support']);
  const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
  const answers = await Promise.all(
    models.map(async (name) => await client.chat.completions.create({ model: name, messages: [{ role: 'user', content: 'a film' }] })),
  );
  expect(new Set(answers.map(({ choices }) => choices[0]!.message.content)).size).toBe(1);
  expect(answers[0]!.choices[0]!.message.content).toMatch(/^(negative|positive)$/);
  serving.kill(signal);
  expect(await serving.ended).toMatchObject({ status: 0 });
});

test('a killed server leaves no process behind that answers', async () => {
  const serving = serve([model, '--quiet']);
  expect(await readLine(serving)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  const children = listProcesses().filter(({ parent }) => parent === serving.pid);
  expect(children).toHaveLength(1);
  serving.kill('SIGKILL');
  await serving.ended;
  await expect.poll(() => listProcesses().some(({ pid }) => pid === children[0]!.pid)).toBe(false);
});

function listProcesses(): { readonly parent: number; readonly pid: number }[] {
  const lines = execFileSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).map(Number)).map(([parent, pid]) => ({ parent: parent!, pid: pid! }));
}

test('the model of a run answers under its name, as text for people says', async () => {
  const dir = createScratchFolder();
  const job = writeJob();
  const { ended } = startCli(['submit', job, '--wait', '--dir', dir]);
  expect((await ended).status).toBe(0);
  const serving = serve([job, '--dir', dir]);
  const [, url, served] = /^(\S+) answers as (\S+)$/.exec(await readLine(serving)) ?? [];
  expect(served).toBe('bad/local');
  const client = new OpenAI({ baseURL: url!, apiKey: 'none', maxRetries: 0 });
  const { choices } = await client.chat.completions.create({
    model: served!,
    messages: [{ role: 'user', content: 'a film' }],
    logprobs: true,
  });
  expect(choices[0]!.logprobs!.content![0]!.token).toBe(choices[0]!.message.content);
  serving.kill('SIGINT');
  expect(await serving.ended).toMatchObject({ status: 0, stderr: expect.stringContaining('this machine alone may ask') as string });
});

test('another host needs a key, which is read from the variable that is named', async () => {
  expect(await serve([model, '--host', '0.0.0.0']).ended).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--key-name') as string,
  });
  const unset = serve([model, '--host', '0.0.0.0', '--key-name', 'NO_SUCH_KEY']);
  expect(await unset.ended).toMatchObject({ status: 77, stderr: expect.stringContaining('NO_SUCH_KEY') as string });
  const mistaken = await serve([model, '--key-name', 'sk-1234']).ended;
  expect(mistaken.status).toBe(2);
  expect(mistaken.stderr).not.toContain('sk-1234');

  const serving = serve([model, '--host', '0.0.0.0', '--key-name', 'SERVE_KEY', '--json'], { SERVE_KEY: 'sk-right' });
  const url = (await readUrl(serving)).url.replace('0.0.0.0', '127.0.0.1');
  const ask = async (apiKey: string): Promise<number> =>
    (await new OpenAI({ baseURL: url, apiKey, maxRetries: 0 }).models.list()).data.length;
  await expect(ask('sk-wrong')).rejects.toMatchObject({ status: 401 });
  expect(await ask('sk-right')).toBe(1);
  serving.kill('SIGTERM');
  const { status, stdout, stderr } = await serving.ended;
  expect(status).toBe(0);
  expect(`${stdout}${stderr}`).not.toContain('sk-right');
});

test('what cannot be served is refused with a reason', async () => {
  expect(await serve(['nothing/here']).ended).toMatchObject({ status: 102 });
  expect(await serve([tinyBert]).ended).toMatchObject({ status: 65, stderr: expect.stringContaining('without a head') as string });
  const first = serve([model, '--json']);
  const port = new URL((await readUrl(first)).url).port;
  const { ended } = startCli(['serve', model, '--port', port]);
  expect(await ended).toMatchObject({ status: 69, stderr: expect.stringContaining(`expected port ${port}`) as string });
  const { ended: wrong } = startCli(['serve', model, '--port', '70000']);
  expect(await wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('--port expects') as string });
  first.kill('SIGTERM');
  await first.ended;
});

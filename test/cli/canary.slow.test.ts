import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { createSandboxTrainer } from '../../src/cli/sandbox-trainer.ts';
import { startSandbox } from '../../src/sandbox/main.ts';
import { createScratchFolder } from '../scratch.ts';
import { startEchoingFront, toEcho } from './echoing-front.ts';
import { startCli } from './run-cli.ts';
import { tinyBert } from './write-job.ts';

/** The characters that a credential leaves in a base64 that holds it, wherever it begins there. */
function toBase64Forms(credential: string): string[] {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(credential)]);
    return bytes.toString('base64').slice(Math.ceil((before * 4) / 3), Math.floor((bytes.length * 4) / 3));
  });
}

/** A credential in all forms in which it could be written. */
function toForms(credential: string): string[] {
  const url = [encodeURIComponent(credential), new URLSearchParams({ '': credential }).toString().slice(1)];
  const base64 = toBase64Forms(credential);
  return [
    credential,
    ...url,
    ...url.map((text) => text.replaceAll(/%../g, (hex) => hex.toLowerCase())),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}

/** Every file below a folder, byte for byte. */
function readAll(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]));
}

/** The names of the texts that hold the credential in any form. */
function findCanary(texts: Readonly<Record<string, string>>, credential: string): string[] {
  const forms = toForms(credential);
  return Object.keys(texts).filter((name) => forms.some((form) => texts[name]!.includes(form)));
}

const canary = 'canary/9f3a+7c21=e5b8~4d "x';

test('the search finds every form of a credential, and no other text', () => {
  const texts = {
    plain: `a ${canary} b`,
    header: `Basic ${Buffer.from(`user:${canary}`).toString('base64')}`,
    odd: Buffer.from(`me:${canary}:`).toString('base64url'),
    query: `?key=${encodeURIComponent(canary)}`,
    lower: `?key=${encodeURIComponent(canary).replaceAll(/%../g, (hex) => hex.toLowerCase())}`,
    form: new URLSearchParams({ key: canary }).toString(),
    other: 'canary/9f3a+7c21 and [secret]',
  };
  expect(findCanary(texts, canary)).toEqual(['plain', 'header', 'odd', 'query', 'lower', 'form']);
  expect(findCanary({ echo: toEcho(canary) }, canary)).toEqual(['echo']);
});

interface Service {
  readonly provider: 'openai' | 'azure' | 'huggingface';
  readonly model: string;
  readonly credential: string;
  /** Beside the address. */
  readonly toSettings: (url: string, credential: string) => Readonly<Record<string, string>>;
  /** The sandbox's credential that stands for it. */
  readonly theirs: string;
}

const gpt = 'gpt-4.1-mini-2025-04-14';
const theirs = 'sk-sandbox-canary';
const toAzure = (name: string) => (url: string, credential: string) => ({ AZURE_OPENAI_ENDPOINT: url, [name]: credential });

const services: Readonly<Record<string, Service>> = {
  openai: {
    provider: 'openai',
    model: gpt,
    credential: 'sk-canary/9f3a+7c21=e5b84d60a1c2',
    toSettings: (url, credential) => ({ OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: credential }),
    theirs,
  },
  'azure with a key': {
    provider: 'azure',
    model: gpt,
    credential: 'azure-canary/51d0+9e77=aa31bc',
    toSettings: toAzure('AZURE_OPENAI_API_KEY'),
    theirs,
  },
  'azure with a token of Entra': {
    provider: 'azure',
    model: gpt,
    credential: 'entra-canary/8d2f+7c1b=e90a44',
    toSettings: toAzure('AZURE_OPENAI_AD_TOKEN'),
    theirs,
  },
  huggingface: {
    provider: 'huggingface',
    model: 'hub:google-bert/bert-base-uncased',
    credential: 'hf-canary/6b1e+2f90=c7d8aa',
    toSettings: (url, credential) => ({ HF_ENDPOINT: url, HF_TOKEN: credential }),
    theirs: 'hf_sandbox_canary',
  },
};

function toRows(count: number): string {
  return Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `row ${i}`, label: i % 2 === 0 ? 'no' : 'yes' })}\n`).join('');
}

/** Jobs that differ by their seed, so that each is a run of its own. */
function writeJob(folder: string, name: string, { provider, model }: Service, seed: number): string {
  writeFileSync(join(folder, 'train.jsonl'), toRows(20));
  writeFileSync(join(folder, 'test.jsonl'), toRows(4));
  const data = { train: './train.jsonl', test: './test.jsonl' };
  const job = {
    version: 1,
    name,
    task: 'classification',
    data,
    training: { epochs: 1, seed },
    evaluation: { generation: { maxTokens: 8 } },
    targets: { there: { provider, model } },
  };
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(job));
  return `${name}.json`;
}

const prices = JSON.stringify({ [gpt]: { input: 0.8, output: 3.2 } });

test.each(Object.entries(services))('the credential of %s is nowhere but in requests', async (_, service) => {
  const { provider, credential, theirs: account } = service;
  const train = createSandboxTrainer(tinyBert);
  let isBroken = false;
  await using sandbox = await startSandbox({
    settings: { jobMs: 10 },
    trainModel: async (training) => {
      if (isBroken) throw new Error(toEcho(credential));
      return await train(training);
    },
  });
  await using front = await startEchoingFront(sandbox.url, { ours: credential, theirs: account });
  const cwd = createScratchFolder();
  const env = { PATH: process.env['PATH'], ORCHESTRATE_PRICES: prices, ...service.toSettings(front.url, credential) };
  const texts: Record<string, string> = {};
  const run = async (...args: readonly string[]): Promise<number | null> => {
    const { status, stdout, stderr } = await startCli([...args, '--dir', 'state'], { cwd, env }).ended;
    texts[args.join(' ')] = `${stdout}\n${stderr}`;
    return status;
  };
  const runAll = async (...commands: readonly string[]): Promise<(number | null)[]> =>
    await Promise.all(commands.map(async (command) => await run(...command.split(' '))));

  writeJob(cwd, 'good', service, 1);
  expect(await run('plan', 'good.json')).toBe(0);
  expect(await run('submit', 'good.json', '--wait')).toBe(0);
  // While somebody holds the database its log of changes stays beside it.
  using held = new DatabaseSync(join(cwd, 'state', 'state.db'));
  held.prepare('select count(*) from run').get();
  const lists = provider === 'huggingface' ? [] : [`models ${provider}`, `import ${provider} --list`];
  // A tuned model of Azure answers once it is deployed.
  const evaluated = provider === 'azure' ? 78 : 0;
  expect(await runAll('evaluate good --max-usd 1', 'status good', ...lists)).toEqual([evaluated, 0, ...lists.map(() => 0)]);

  // A job that fails, whose service says why with the credential in it.
  isBroken = true;
  sandbox.setSettings({ jobError: { code: 'server_error', message: toEcho(credential) } }, account);
  writeJob(cwd, 'bad', service, 2);
  expect(await run('submit', 'bad.json', '--wait')).toBe(100);
  const imports = sandbox.account(account).jobs.map(({ id }) => `import ${provider} ${id}`);
  expect(await runAll('logs bad', 'status --json', ...imports)).toEqual([0, 0, ...imports.map(() => 0)]);

  // A service that refuses everything from now on, in the same words.
  front.isRefusing = true;
  writeJob(cwd, 'refused', service, 3);
  expect(await run('submit', 'refused.json')).not.toBe(0);
  const [list = 'providers'] = lists; // the Hub has no list of models
  expect(await run(...list.split(' '), '--json')).toBe(list === 'providers' ? 0 : 77);

  const found = { ...texts, ...readAll(cwd) };
  expect(findCanary(found, credential)).toEqual([]);
  // It was said, and masked, and all that is written was looked at.
  expect(findCanary({ ...found, planted: toEcho(credential) }, credential)).toEqual(['planted']);
  for (const command of ['logs bad', 'submit refused.json']) expect(texts[command]).toContain('[secret]');
  const names = Object.keys(found).map((name) => name.slice(cwd.length + 1));
  expect(names).toEqual(expect.arrayContaining(['state/state.db', 'state/state.db-wal']));
  for (const part of [/^state\/runs\//, /^state\/data\//]) expect(names).toContainEqual(expect.stringMatching(part));
  expect(names.filter((name) => name.endsWith('/IMPORT.json'))).toHaveLength(imports.length);
  expect(front.counts.known).toBeGreaterThan(9);
  expect(front.counts.unknown).toBe(0);
});

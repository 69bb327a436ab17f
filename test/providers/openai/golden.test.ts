import { createReadStream, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { AzureOpenAI } from 'openai';
import { expect, test } from 'vitest';
import { prepare } from '../../../providers/openai/prepare.ts';
import { bind, create } from '../../../providers/openai/submit.ts';
import { translate } from '../../../providers/openai/translate.ts';
import { uploadLimits } from '../../../providers/openai/upload.ts';
import type { TranslationInput } from '../../../src/contract/provider.ts';
import type { Row } from '../../../src/dataset/row.ts';
import { startRecordingServer, type RecordedRequest } from './recording-server.ts';
import { canaryKey, createSandboxWorld, facts, key, toInput, type SandboxWorld } from './world.ts';

const model = 'gpt-4.1-mini-2025-04-14';
const apiVersion = '2025-04-01-preview';
const withValidation = { ...facts, validation: facts.train };

const chat = toInput(
  {
    task: 'chat',
    training: { method: 'sft', epochs: 3, batchSize: 8, learningRate: { multiplier: 0.5 }, seed: 42 },
    options: { suffix: 'support' },
    native: { integrations: [{ type: 'wandb', wandb: { project: 'support', tags: ['a'] } }] },
  },
  { facts: withValidation },
);
const preference = toInput({ task: 'preference', training: { method: 'dpo', epochs: 1, batchSize: 4, beta: 0.3, seed: 1 } });
const onSpareCapacity = { ...chat, spec: { ...chat.spec, options: { suffix: 'support', trainingType: 'developerTier' } } };

interface Service {
  readonly dialect: 'openai' | 'azure';
  /** Settings beside the address. */
  readonly settings: Readonly<Record<string, string>>;
  /** The official client as its own documentation makes it. */
  toOwnClient(url: string): OpenAI;
}

const openai: Service = {
  dialect: 'openai',
  settings: { OPENAI_ORG_ID: 'org-1', OPENAI_PROJECT_ID: 'proj-1' },
  toOwnClient: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: canaryKey, organization: 'org-1', project: 'proj-1' }),
};
const azure: Service = {
  dialect: 'azure',
  settings: {},
  toOwnClient: (url) => new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: canaryKey, organization: null, project: null }),
};
const dated: Service = {
  dialect: 'azure',
  settings: { OPENAI_API_VERSION: apiVersion },
  toOwnClient: (url) => new AzureOpenAI({ endpoint: url, apiKey: canaryKey, apiVersion, organization: null, project: null }),
};

const rows: readonly Row[] = Array.from({ length: 10 }, (_, i) => ({
  messages: [
    { role: 'user', content: `question ${i}` },
    { role: 'assistant', content: 'answer — €' },
  ],
}));

/** What a job of this service is sent as, with a server that answers everything well. */
async function record(
  { dialect, settings, toOwnClient }: Service,
  use: (world: SandboxWorld, own: OpenAI) => Promise<void>,
): Promise<RecordedRequest[]> {
  await using server = await startRecordingServer(({ path }) => ({
    json: path.includes('/complete') ? { id: 'upload-1', file: { id: 'file-1' } } : { id: 'x-1', status: 'processed' },
  }));
  const environment = { OPENAI_BASE_URL: `${server.url}/v1`, AZURE_OPENAI_ENDPOINT: server.url, ...settings };
  await using world = await createSandboxWorld({ dialect, rows, environment });
  await use(world, toOwnClient(server.url));
  return server.requests;
}

async function createOne(world: SandboxWorld, { spec, facts: known }: TranslationInput): Promise<void> {
  const { request } = translate(world.dialect, toInput(spec, { facts: known }));
  const validationFile = known.validation === null ? null : 'file-2';
  await create(world.dialect, bind(request, { trainingFile: 'file-1', validationFile }, key, 2), world.toAttempt(key, 2));
}

/** Those that Node's `fetch` adds, and the place. */
const ofNode = ['host', 'connection', 'accept-language', 'sec-fetch-mode', 'accept-encoding'];
/** Those that say what the client runs on. */
const ofMachine = ['user-agent', 'x-stainless-arch', 'x-stainless-os', 'x-stainless-package-version', 'x-stainless-runtime-version'];

function toHeaders({ headers }: RecordedRequest): [string, unknown][] {
  return Object.entries(headers).filter(([name]) => !ofNode.includes(name));
}

/** A request as a text, without what differs from machine to machine. */
function toText(request: RecordedRequest): string {
  const lines = toHeaders(request).map(([name, value]) => `${name}: ${ofMachine.includes(name) ? '<of this machine>' : String(value)}`);
  return [`${request.method} ${request.path}`, ...lines, '', JSON.stringify(JSON.parse(request.body.toString()), null, 2)].join('\n');
}

const clientLines = `accept: application/json
content-type: application/json
user-agent: <of this machine>
x-stainless-arch: <of this machine>
x-stainless-lang: js
x-stainless-os: <of this machine>
x-stainless-package-version: <of this machine>
x-stainless-retry-count: 0
x-stainless-runtime: node
x-stainless-runtime-version: <of this machine>`;

const chatBody = `"model": "gpt-4.1-mini-2025-04-14",
  "method": {
    "type": "supervised",
    "supervised": {
      "hyperparameters": {
        "n_epochs": 3,
        "batch_size": 8,
        "learning_rate_multiplier": 0.5
      }
    }
  },
  "suffix": "support",
  "seed": 42,
  "training_file": "file-1",
  "validation_file": "file-2",
  "metadata": {
    "orchestrate_key": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "orchestrate_attempt": "2"
  }
}`;

const integrations = `"integrations": [
    {
      "type": "wandb",
      "wandb": {
        "project": "support",
        "tags": [
          "a"
        ]
      }
    }
  ],`;

const preferenceBody = `{
  "model": "gpt-4.1-mini-2025-04-14",
  "method": {
    "type": "dpo",
    "dpo": {
      "hyperparameters": {
        "n_epochs": 1,
        "batch_size": 4,
        "beta": 0.3
      }
    }
  },
  "suffix": "job-big",
  "seed": 1,
  "training_file": "file-1",
  "metadata": {
    "orchestrate_key": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "orchestrate_attempt": "2"
  }
}`;

const payer = 'openai-organization: org-1\nopenai-project: proj-1';
const bearer = 'authorization: Bearer sk-sandbox-canary-9f3a7c21e5';

test.each([
  [
    'an sft job at OpenAI',
    openai,
    chat,
    `POST /v1/fine_tuning/jobs\n${clientLines}\n${payer}\n${bearer}\ncontent-length: 410\n\n{\n  ${integrations}\n  ${chatBody}`,
  ],
  [
    'a dpo job at OpenAI',
    openai,
    preference,
    `POST /v1/fine_tuning/jobs\n${clientLines}\n${payer}\n${bearer}\ncontent-length: 271\n\n${preferenceBody}`,
  ],
  [
    'an sft job at Azure',
    azure,
    onSpareCapacity,
    `POST /openai/v1/fine_tuning/jobs\n${clientLines}\n${bearer}\ncontent-length: 441\n\n{\n  ${integrations}\n  "trainingType": "developerTier",\n  ${chatBody}`,
  ],
  [
    'a dpo job at Azure',
    azure,
    preference,
    `POST /openai/v1/fine_tuning/jobs\n${clientLines}\n${bearer}\ncontent-length: 271\n\n${preferenceBody}`,
  ],
  [
    'a dpo job at the dated interface of Azure',
    dated,
    preference,
    `POST /openai/fine_tuning/jobs?api-version=${apiVersion}\n${clientLines}\napi-key: ${canaryKey}\ncontent-length: 271\n\n${preferenceBody}`,
  ],
])('golden: %s, byte for byte', async (_, service, input, text) => {
  const requests = await record(service, async (world) => await createOne(world, input));
  expect(requests.map(toText)).toEqual([text]);
});

/** The same jobs, by the hand of somebody who knows the official client. */
const ownJobs = {
  chat: {
    model,
    training_file: 'file-1',
    validation_file: 'file-2',
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3, batch_size: 8, learning_rate_multiplier: 0.5 } } },
    seed: 42,
    suffix: 'support',
    integrations: [{ type: 'wandb', wandb: { project: 'support', tags: ['a'] } }],
  },
  preference: {
    model,
    training_file: 'file-1',
    method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 1, batch_size: 4, beta: 0.3 } } },
    seed: 1,
  },
} as const;

/** What goes with our jobs on purpose: by the metadata they are found again, by the suffix people tell the models. */
const metadata = { orchestrate_key: key, orchestrate_attempt: '2' };
const suffix = 'job-big';

test.each([
  ['OpenAI', 'sft', openai, chat, ownJobs.chat, { metadata }],
  ['OpenAI', 'dpo', openai, preference, ownJobs.preference, { metadata, suffix }],
  ['Azure', 'sft', azure, chat, ownJobs.chat, { metadata }],
  ['Azure', 'dpo', azure, preference, ownJobs.preference, { metadata, suffix }],
  ['dated Azure', 'sft', dated, chat, ownJobs.chat, { metadata }],
  ['dated Azure', 'dpo', dated, preference, ownJobs.preference, { metadata, suffix }],
])('at %s the official client creates the same %s job', async (_place, _method, service, input, ownJob, more) => {
  const [ours, theirs] = await record(service, async (world, own) => {
    await createOne(world, input);
    await own.fineTuning.jobs.create(structuredClone(ownJob) as unknown as OpenAI.FineTuning.JobCreateParams);
  });
  expect(JSON.parse(ours!.body.toString())).toEqual({ ...(JSON.parse(theirs!.body.toString()) as object), ...more });
  expect([ours!.method, ours!.path]).toEqual([theirs!.method, theirs!.path]);
  const withoutLength = (request: RecordedRequest): object =>
    Object.fromEntries(toHeaders(request).filter(([name]) => name !== 'content-length'));
  expect(withoutLength(ours!)).toEqual(withoutLength(theirs!));
});

/** The parts of a form, or a body that is none as the only one. In which order a form has its parts says nothing (RFC 7578, 5.2). */
function toParts({ headers, body }: RecordedRequest): string[] {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1];
  return boundary === undefined
    ? [body.toString()]
    : body
        .toString()
        .split(`--${boundary}`)
        .map((part) => part.trimEnd())
        .sort();
}

/** Our type of the file says what is in it; the official client takes the general one for every file. */
const [ourType, theirType] = ['Content-Type: application/jsonl', 'Content-Type: application/octet-stream'];

test.each([
  ['OpenAI', openai],
  ['Azure', azure],
  ['dated Azure', dated],
])('at %s the official client uploads the same form', async (_, service) => {
  const name = `orchestrate-${key}-1-train.jsonl`;
  const [upload, look, theirs] = await record(service, async (world, own) => {
    const c = world.toAttempt();
    await prepare(world.dialect, translate(world.dialect, toInput({ task: 'chat' })).request, c);
    await copyFile(join(c.workDir, 'train.jsonl'), join(c.workDir, name)); // the client names the part after the file
    await own.files.create({ file: createReadStream(join(c.workDir, name)), purpose: 'fine-tune' });
  });
  expect(toParts(upload!)).toEqual(toParts(theirs!).map((part) => part.replace(theirType, ourType)));
  expect(toParts(upload!)).toEqual([
    '',
    expect.stringMatching(
      new RegExp(
        `^\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n${ourType}\r\n\r\n\\{"messages":.* €"\\}\\]\\}$`,
        's',
      ),
    ),
    '\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune',
    '--',
  ]);
  expect([upload!.method, upload!.path]).toEqual([theirs!.method, theirs!.path]);
  expect(look!.method).toBe('GET');
});

test('the official client uploads the same parts of a large file', async () => {
  const partBytes = 700;
  const requests = await record(openai, async (world, own) => {
    const c = world.toAttempt();
    const { request } = translate(world.dialect, toInput({ task: 'chat' }));
    await prepare(world.dialect, request, c, { wholeBytes: 1000, partBytes });
    const filename = `orchestrate-${key}-1-train.jsonl`;
    const bytes = readFileSync(join(c.workDir, 'train.jsonl'));
    const { id } = await own.uploads.create({ bytes: bytes.length, filename, mime_type: 'text/jsonl', purpose: 'fine-tune' });
    const ids: string[] = [];
    for (let from = 0; from < bytes.length; from += partBytes) {
      const data = new File([bytes.subarray(from, from + partBytes)], filename);
      ids.push((await own.uploads.parts.create(id, { data })).id);
    }
    await own.uploads.complete(id, { part_ids: ids });
  });
  const count = requests.filter(({ path }) => path.endsWith('/parts')).length / 2;
  const ours = requests.slice(0, 2 + count);
  const theirs = requests.slice(-(2 + count));
  expect(count).toBeGreaterThan(1);
  const toLines = (list: readonly RecordedRequest[]): string[][] =>
    list.map((request) => [`${request.method} ${request.path}`, ...toParts(request).map((part) => part.replace(ourType, theirType))]);
  expect(toLines(ours)).toEqual(toLines(theirs));
});

test('the limits of an upload are those of the service', () => {
  expect(uploadLimits).toEqual({ wholeBytes: 512_000_000, partBytes: 64_000_000 });
});

import { createReadStream, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { AzureOpenAI } from 'openai';
import { expect, test } from 'vitest';
import { createOpenAICompatible } from '../../../providers/openai-compatible/index.ts';
import { uploadLimits } from '../../../providers/openai-compatible/upload.ts';
import type { Row } from '../../../src/dataset/row.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import { buildBody, canaryKey, configs, facts, key, providers, toInput, type ServiceId } from './fixture.ts';
import { startService, type ReceivedRequest } from './service.ts';

const apiVersion = '2025-04-01-preview';

/** A service, and the official client for it. */
interface Golden {
  readonly id: ServiceId;
  /** Settings beside the address. */
  readonly settings: Readonly<Record<string, string>>;
  /** The official client as its own documentation makes it. */
  createClient(url: string): OpenAI;
}

const openai: Golden = {
  id: 'openai',
  settings: { OPENAI_ORG_ID: 'org-1', OPENAI_PROJECT_ID: 'proj-1' },
  createClient: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: canaryKey, organization: 'org-1', project: 'proj-1' }),
};
const azure: Golden = {
  id: 'azure',
  settings: {},
  createClient: (url) => new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: canaryKey, organization: null, project: null }),
};
/** The interface of Azure with versions. */
const dated: Golden = {
  id: 'azure',
  settings: { OPENAI_API_VERSION: apiVersion },
  createClient: (url) => new AzureOpenAI({ endpoint: url, apiKey: canaryKey, apiVersion, organization: null, project: null }),
};

const rows: readonly Row[] = Array.from({ length: 10 }, (_, i) => ({
  messages: [
    { role: 'user', content: `question ${i}` },
    { role: 'assistant', content: 'answer — €' },
  ],
}));

interface Used {
  readonly provider: Provider;
  readonly context: Attempt;
  readonly client: OpenAI;
}

/** What a service that answers everything well is asked, by the program and by the official client. */
async function record({ id, settings, createClient }: Golden, use: (used: Used) => Promise<void>): Promise<ReceivedRequest[]> {
  await using service = await startService(({ path }) => ({
    body: path.includes('/complete') ? { id: 'upload-1', file: { id: 'file-1' } } : { id: 'x-1', status: 'processed' },
  }));
  const context = service.createContext();
  const setting = (name: string): string | null => settings[name] ?? context.setting(name);
  const readRows = async function* (): AsyncGenerator<Row> {
    yield* await Promise.resolve(rows);
  };
  await use({ provider: providers[id], context: { ...context, setting, readRows }, client: createClient(service.url) });
  return service.requests;
}

/** With the query, as it was sent. */
function formatPath({ path, query }: ReceivedRequest): string {
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

const model = 'gpt-4.1-mini-2025-04-14';
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

async function createOne({ provider, context }: Used, { spec, facts: known }: TranslationInput): Promise<void> {
  const validationFile = known.validation === null ? null : 'file-2';
  const body = buildBody(toInput(spec, { facts: known }), provider, { prepared: { trainingFile: 'file-1', validationFile }, attempt: 2 });
  await provider.training.create(body, context);
}

/** Those that Node's `fetch` adds, and the host. */
const ofNode = ['host', 'connection', 'accept-language', 'sec-fetch-mode', 'accept-encoding'];
/** Those that say what the client runs on. */
const ofMachine = ['user-agent', 'x-stainless-arch', 'x-stainless-os', 'x-stainless-package-version', 'x-stainless-runtime-version'];

function toHeaders({ headers }: ReceivedRequest): [string, unknown][] {
  return Object.entries(headers).filter(([name]) => !ofNode.includes(name));
}

/** A request as a text, without what differs from machine to machine. */
function toText(request: ReceivedRequest): string {
  const lines = toHeaders(request).map(([name, value]) => `${name}: ${ofMachine.includes(name) ? '<of this machine>' : String(value)}`);
  return [`${request.method} ${formatPath(request)}`, ...lines, '', JSON.stringify(JSON.parse(request.body.toString()), null, 2)].join(
    '\n',
  );
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
  const requests = await record(service, async (used) => await createOne(used, input));
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

/** Our jobs have more on purpose: they are found again by the metadata, and people tell the models apart by the suffix. */
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
  const [ours, theirs] = await record(service, async (used) => {
    await createOne(used, input);
    await used.client.fineTuning.jobs.create(structuredClone(ownJob) as unknown as OpenAI.FineTuning.JobCreateParams);
  });
  expect(JSON.parse(ours!.body.toString())).toEqual({ ...(JSON.parse(theirs!.body.toString()) as object), ...more });
  expect([ours!.method, formatPath(ours!)]).toEqual([theirs!.method, formatPath(theirs!)]);
  const withoutLength = (request: ReceivedRequest): object =>
    Object.fromEntries(toHeaders(request).filter(([name]) => name !== 'content-length'));
  expect(withoutLength(ours!)).toEqual(withoutLength(theirs!));
});

/** The parts of a form, or a body that is none as the only one. In which order a form has its parts says nothing (RFC 7578, 5.2). */
function toParts({ headers, body }: ReceivedRequest): string[] {
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
  const [upload, look, theirs] = await record(service, async ({ provider, context, client: own }) => {
    await provider.training.prepare(provider.training.translate(toInput({ task: 'chat' })).request, context);
    await copyFile(join(context.workDir, 'train.jsonl'), join(context.workDir, name)); // the client names the part after the file
    await own.files.create({ file: createReadStream(join(context.workDir, name)), purpose: 'fine-tune' });
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
  expect([upload!.method, formatPath(upload!)]).toEqual([theirs!.method, formatPath(theirs!)]);
  expect(look!.method).toBe('GET');
});

test('the official client uploads the same parts of a large file', async () => {
  const partBytes = 700;
  const requests = await record(openai, async ({ context, client: own }) => {
    const { training } = createOpenAICompatible({ ...configs.openai, uploads: { wholeBytes: 1000, partBytes } });
    await training.prepare(training.translate(toInput({ task: 'chat' })).request, context);
    const filename = `orchestrate-${key}-1-train.jsonl`;
    const bytes = readFileSync(join(context.workDir, 'train.jsonl'));
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
  const toLines = (list: readonly ReceivedRequest[]): string[][] =>
    list.map((request) => [
      `${request.method} ${formatPath(request)}`,
      ...toParts(request).map((part) => part.replace(ourType, theirType)),
    ]);
  expect(toLines(ours)).toEqual(toLines(theirs));
});

test('the limits of an upload are those of the service', () => {
  expect(uploadLimits).toEqual({ wholeBytes: 512_000_000, partBytes: 64_000_000 });
});

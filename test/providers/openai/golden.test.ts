import type OpenAI from 'openai';
import { expect, test } from 'vitest';
import { bind, create } from '../../../providers/openai/submit.ts';
import { translate } from '../../../providers/openai/translate.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { apiVersion, azure, dated, openai, record } from './own-client.ts';
import type { RecordedRequest } from './recording-server.ts';
import { canaryKey, facts, key, toInput, type SandboxFixture } from './fixture.ts';

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

async function createOne(fixture: SandboxFixture, { spec, facts: known }: TranslationInput): Promise<void> {
  const { request } = translate(fixture.dialect, toInput(spec, { facts: known }));
  const validationFile = known.validation === null ? null : 'file-2';
  await create(fixture.dialect, bind(request, { trainingFile: 'file-1', validationFile }, key, 2), fixture.toAttempt(key, 2));
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
  const requests = await record(service, async (fixture) => await createOne(fixture, input));
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
  const [ours, theirs] = await record(service, async (fixture, own) => {
    await createOne(fixture, input);
    await own.fineTuning.jobs.create(structuredClone(ownJob) as unknown as OpenAI.FineTuning.JobCreateParams);
  });
  expect(JSON.parse(ours!.body.toString())).toEqual({ ...(JSON.parse(theirs!.body.toString()) as object), ...more });
  expect([ours!.method, ours!.path]).toEqual([theirs!.method, theirs!.path]);
  const withoutLength = (request: RecordedRequest): object =>
    Object.fromEntries(toHeaders(request).filter(([name]) => name !== 'content-length'));
  expect(withoutLength(ours!)).toEqual(withoutLength(theirs!));
});

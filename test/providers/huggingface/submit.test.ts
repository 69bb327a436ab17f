import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import golden from '../../../fixtures/huggingface/job-create.json' with { type: 'json' };
import type { HubRequest, JobTask, Prepared, Wire } from '../../../providers/huggingface/request.ts';
import { bind, create } from '../../../providers/huggingface/submit.ts';
import { translate } from '../../../providers/huggingface/translate.ts';
import type { TranslationInput } from '../../../src/provider/provider.ts';
import { SubmitFailure } from '../../../src/provider/submit-failure.ts';
import { canaryToken, createHubFixture, facts, key, rows, toInput, type HubFixture } from './fixture.ts';

const prepared: Prepared = {
  endpoint: 'https://hub.example',
  namespace: 'acme',
  dataset: { repo: 'acme/orchestrate-data-1', revision: 'c'.repeat(40), hasValidation: true },
  output: 'acme/demo-1',
};

async function prepare(
  { provider, toAttempt }: HubFixture,
  input: TranslationInput,
  attempt = 1,
): Promise<{ prepared: Prepared; wire: Wire; request: HubRequest }> {
  const request = provider.training.translate(input).request as HubRequest;
  const made = (await provider.training.prepare(request, toAttempt(key, attempt))) as Prepared;
  return { request, prepared: made, wire: provider.training.bind(request, made, key, attempt) as Wire };
}

function toTask({ body }: Wire): JobTask {
  return JSON.parse(body.environment['ORCHESTRATE_JOB']!) as JobTask;
}

describe('the body of the call', () => {
  test('has the fields of the official client, and no other', () => {
    const { body } = bind(translate(toInput()).request, prepared, key, 2);
    const theirs = golden.request.body;
    expect(Object.keys(body).sort()).toEqual(
      Object.keys(theirs)
        .filter((field) => field !== 'volumes') // the rows are fetched by their commit
        .sort(),
    );
    for (const [field, value] of Object.entries(body)) expect(typeof value, field).toBe(typeof theirs[field as keyof typeof theirs]);
    expect(body).toMatchObject({
      flavor: 't4-small',
      dockerImage: 'huggingface/autotrain-advanced:latest',
      secrets: { HF_TOKEN: { $secret: 'HF_TOKEN' } },
      timeoutSeconds: 14_400,
      attempts: 1,
      labels: { orchestrate_key: key, orchestrate_attempt: '2' },
    });
    for (const [label, value] of Object.entries(body.labels)) expect(`${label}=${value}`).toMatch(/^[\w.-]{1,100}=[\w.-]{1,100}$/);
  });

  test('gives the container everything that it needs', () => {
    expect(toTask(bind(translate(toInput()).request, prepared, key, 1))).toMatchObject({
      version: 1,
      engine: 'autotrain',
      task: 'text-classification',
      dataset: {
        repo: 'acme/orchestrate-data-1',
        revision: 'c'.repeat(40),
        train: 'train.jsonl',
        validation: 'validation.jsonl',
        textColumn: 'text',
        labelColumn: 'label',
      },
      labels: ['no', 'yes'],
      model: { base: 'acme/base' },
      output: { repo: 'acme/demo-1' },
    });
    const chats = bind(
      translate(toInput({ task: 'preference', model: { kind: 'hub', name: 'acme/base', revision: 'v2' } })).request,
      prepared,
      key,
      1,
    );
    expect(toTask(chats)).toMatchObject({
      engine: 'trl',
      task: 'dpo',
      model: { base: 'acme/base', revision: 'v2' },
      parameters: { beta: 0.1 },
    });
  });

  test('brings the script of the classifier where it is run', () => {
    const getNames = (engine: string): readonly string[] =>
      bind(translate(toInput({ options: { engine } })).request, prepared, key, 1).body.arguments.filter((_, i) => i % 2 === 0);
    const programs = ['main.py', 'events.py', 'engine_log.py', 'failures.py'];
    expect(getNames('autotrain')).toEqual(programs);
    expect(getNames('transformers')).toEqual([...programs, 'classifier.py']);
  });
});

describe('prepare', () => {
  test('writes the rows into a private repository, in one commit, without a credential to the storage', async () => {
    await using fixture = await createHubFixture({ facts: { ...facts, validation: facts.train } });
    const { prepared: made } = await prepare(fixture, toInput({}, { facts: { ...facts, validation: facts.train } }));
    const repo = fixture.hub.repos.get(`datasets/${made.dataset.repo}`)!;
    expect(made.dataset).toEqual({
      repo: expect.stringMatching(/^acme\/orchestrate-data-[0-9a-f]{24}$/) as string,
      revision: repo.sha,
      hasValidation: true,
    });
    expect(repo.isPrivate).toBe(true);
    expect([...repo.files.keys()].sort()).toEqual(['.gitattributes', 'README.md', 'train.jsonl', 'validation.jsonl']);
    expect(repo.files.get('train.jsonl')!.toString().split('\n')[0]).toBe(JSON.stringify(rows[0]));
    expect(repo.files.get('README.md')!.toString()).toContain('class_label');
    expect(fixture.hub.requests.filter(({ path }) => path.includes('/commit/'))).toHaveLength(1);
    expect(fixture.hub.leaks).toEqual([]);
    expect(fixture.hub.repos.get(`models/${made.output}`)?.isPrivate).toBe(true);
    expect(await readFile(join(fixture.folder, key, 'train.jsonl'))).toEqual(repo.files.get('train.jsonl'));
  });

  test('takes rows that are there already, once they are compared', async () => {
    await using fixture = await createHubFixture();
    const first = await prepare(fixture, toInput());
    const again = await prepare(fixture, toInput({ training: { epochs: 9 } }), 2);
    expect(again.prepared.dataset).toEqual(first.prepared.dataset);
    expect(again.prepared.output).not.toBe(first.prepared.output);
    expect(fixture.hub.requests.filter(({ path }) => path.includes('/commit/'))).toHaveLength(1);
    const repo = fixture.hub.repos.get(`datasets/${first.prepared.dataset.repo}`)!;
    const written = repo.files.get('train.jsonl')!.toString();
    repo.files.set('train.jsonl', Buffer.from(written.replace('row 0', 'row 9')));
    const mended = await prepare(fixture, toInput());
    expect(fixture.hub.requests.filter(({ path }) => path.includes('/commit/'))).toHaveLength(2);
    expect(repo.files.get('train.jsonl')!.toString()).toContain('the text of row 0');
    expect(mended.prepared.dataset.revision).toBe(repo.sha);
  });

  test('public rows are another repository than private ones', async () => {
    await using fixture = await createHubFixture();
    const hidden = await prepare(fixture, toInput());
    const open = await prepare(fixture, toInput({ options: { private: false } }), 2);
    expect(open.prepared.dataset.repo).not.toBe(hidden.prepared.dataset.repo);
    expect(fixture.hub.repos.get(`datasets/${open.prepared.dataset.repo}`)?.isPrivate).toBe(false);
  });

  test.each([
    ['a model that is not there', 'acme/none', {}, 'model-unavailable'],
    ['a model that AutoTrain is too old for', 'acme/young', { engine: 'autotrain' }, 'job-file-invalid'],
  ] as const)('refuses %s before anything is made', async (_what, name, options, code) => {
    await using fixture = await createHubFixture();
    const call = prepare(fixture, toInput({ model: { kind: 'hub', name, revision: null }, options }));
    await expect(call).rejects.toMatchObject({ code });
    expect(fixture.hub.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  test('the other engines accept such a model', async () => {
    await using fixture = await createHubFixture();
    await expect(
      prepare(fixture, toInput({ model: { kind: 'hub', name: 'acme/young', revision: null }, options: { engine: 'transformers' } })),
    ).resolves.toBeDefined();
  });

  test('HF_NAMESPACE, and before it the target, say where', async () => {
    await using fixture = await createHubFixture({ environment: { HF_NAMESPACE: 'acme-labs' } });
    expect((await prepare(fixture, toInput())).prepared.namespace).toBe('acme-labs');
    expect((await prepare(fixture, toInput({ options: { namespace: 'other' } }))).prepared.namespace).toBe('other');
  });
});

describe('create', () => {
  test('is one POST, with the token in its secret alone', async () => {
    await using fixture = await createHubFixture();
    const { wire } = await prepare(fixture, toInput());
    const before = fixture.hub.requests.length;
    const job = await create(wire, fixture.toAttempt());
    const sent = fixture.hub.requests.slice(before);
    expect(sent.filter(({ method }) => method !== 'GET')).toHaveLength(1);
    const post = sent.find(({ method }) => method === 'POST')!;
    expect(post.path).toBe('/api/jobs/acme');
    expect(post.authorization).toBe(`Bearer ${canaryToken}`);
    const body = JSON.parse(post.body) as Wire['body'];
    expect(body.secrets).toEqual({ HF_TOKEN: canaryToken });
    expect(JSON.stringify({ ...body, secrets: null })).not.toContain(canaryToken);
    expect(JSON.stringify(wire)).not.toContain(canaryToken);
    expect(job).toMatchObject({
      provider: 'huggingface',
      location: `${fixture.hub.url}/acme`,
      attempt: 1,
      createdAt: '2026-11-22T12:00:00.000Z',
    });
  });

  test.each([
    ['402', 'refused', 'quota-exhausted'],
    ['401', 'refused', 'credentials-invalid'],
    ['429', 'limited', 'rate-limited'],
    ['500', 'unknown', 'service-unavailable'],
    ['html', 'unknown', 'service-unavailable'],
    ['cut', 'unknown', 'service-unavailable'],
  ] as const)('an answer of %s means that the call was %s', async (type, sent, code) => {
    await using fixture = await createHubFixture();
    const { wire } = await prepare(fixture, toInput());
    fixture.hub.settings.fault = { on: /^POST \/api\/jobs/, type };
    const error = await create(wire, fixture.toAttempt()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SubmitFailure);
    expect(error).toMatchObject({ sent, failure: { code } });
    expect(fixture.hub.requests.filter(({ method, path }) => method === 'POST' && path.startsWith('/api/jobs'))).toHaveLength(1);
  });

  test('nothing is sent without a token, to another Hub, or while the check before it fails', async () => {
    await using fixture = await createHubFixture();
    const { wire } = await prepare(fixture, toInput());
    const other = { ...wire, endpoint: 'http://127.0.0.1:1' };
    await expect(create(other, fixture.toAttempt())).rejects.toMatchObject({ sent: 'no', failure: { code: 'configuration-invalid' } });
    const { credential: _none, ...rest } = fixture.toAttempt();
    await expect(create(wire, { ...rest, credential: () => null })).rejects.toMatchObject({
      sent: 'no',
      failure: { code: 'credentials-invalid' },
    });
    fixture.hub.settings.fault = { on: /refs$/, type: '500' };
    await expect(create(wire, fixture.toAttempt())).rejects.toMatchObject({ sent: 'no' });
    expect(fixture.hub.jobs).toEqual([]);
  });
});

describe('find', () => {
  test('lists all pages and stages, and no job of another run', async () => {
    await using fixture = await createHubFixture();
    const { request, prepared: made, wire } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    for (let i = 0; i < 5; i++) await create(wire, context);
    const others = { ...wire, body: { ...wire.body, labels: { ...wire.body.labels, orchestrate_key: 'another' } } };
    await create(others, context);
    await fixture.provider.training.cancel!((await fixture.provider.training.find(request, [made], context))[0]!, context);
    expect(await fixture.provider.training.find(request, [made], context)).toHaveLength(5);
    expect(await fixture.provider.training.find(request, [], context)).toHaveLength(5);
    fixture.hub.settings.listsAll = true;
    expect(await fixture.provider.training.find(request, [made], context)).toHaveLength(5);
  });

  test('a list that breaks off is no list', async () => {
    await using fixture = await createHubFixture();
    const { request, prepared: made, wire } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    for (let i = 0; i < 3; i++) await create(wire, context);
    fixture.hub.settings.nextLink = 'https://elsewhere.example/api/jobs/acme?from=2';
    await expect(fixture.provider.training.find(request, [made], context)).rejects.toMatchObject({ code: 'response-invalid' });
  });
});

describe('fence and discard', () => {
  test('a job that comes after the fence ends at once, trains nothing and says so', async () => {
    await using fixture = await createHubFixture();
    const { prepared: made, wire } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    const job = await create(wire, context);
    await fixture.provider.training.fence!(made, context);
    fixture.pass(11_000);
    const seen = await fixture.provider.training.observe(job, null, context);
    expect(seen).toMatchObject({
      status: { phase: 'failed', raw: 'ERROR' },
      failure: { code: 'request-refused', message: expect.stringContaining('claimed') as string },
    });
  });

  test('a job that arrives after the fence of its attempt is none of the run; one that was there before is', async () => {
    await using fixture = await createHubFixture();
    const { request, prepared: made, wire } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    const arrive = async (): Promise<void> => {
      const init = { method: 'POST', headers: { authorization: `Bearer ${canaryToken}` }, body: JSON.stringify(wire.body) };
      await fetch(`${fixture.hub.url}/api/jobs/acme`, init);
    };
    await arrive();
    const [early] = await fixture.provider.training.find(request, [made], context);
    await fixture.provider.training.fence!(made, context);
    fixture.pass(1000);
    await arrive();
    expect(fixture.hub.jobs).toHaveLength(2);
    expect((await fixture.provider.training.find(request, [made], context)).map(({ id }) => id)).toEqual([early!.id]);
  });

  test.each(['f'.repeat(40), null])('a fence (%s) that comes after the claim of a job takes nothing from it', async (fenceSha) => {
    await using fixture = await createHubFixture({ fenceSha });
    const { request, prepared: made, wire } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    fixture.pass(1000);
    const job = await create(wire, context);
    fixture.pass(11_000);
    await fixture.provider.training.find(request, [made], context); // it runs, and has its claim
    await fixture.provider.training.fence!(made, context);
    fixture.pass(60_000);
    expect(await fixture.provider.training.find(request, [made], context)).toHaveLength(1);
    expect(await fixture.provider.training.observe(job, null, context)).toMatchObject({ status: { phase: 'succeeded' }, failure: null });
  });

  test('discard takes the empty repository of the model, and none with a model in it', async () => {
    await using fixture = await createHubFixture();
    const { prepared: made } = await prepare(fixture, toInput());
    const context = fixture.toAttempt();
    const repo = fixture.hub.repos.get(`models/${made.output}`)!;
    repo.files.set('model.safetensors', Buffer.from('weights'));
    await fixture.provider.training.discard!(made, context);
    expect(fixture.hub.repos.has(`models/${made.output}`)).toBe(true);
    repo.files.delete('model.safetensors');
    await fixture.provider.training.discard!(made, context);
    await fixture.provider.training.discard!(made, context);
    expect(fixture.hub.repos.has(`models/${made.output}`)).toBe(false);
    expect(fixture.hub.repos.has(`datasets/${made.dataset.repo}`)).toBe(true);
  });
});

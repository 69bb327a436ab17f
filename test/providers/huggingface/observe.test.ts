import { describe, expect, test } from 'vitest';
import type { HubCursor } from '../../../providers/huggingface/cursor.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { canaryToken, createHubFixture, key, toInput, type HubFixture, type FixtureOptions } from './fixture.ts';
import { readFixture, readFixtureLines } from './read-fixture.ts';

type Seen = Observation<HubCursor>;

const labelled = readFixtureLines('autotrain-classification-merged.log');
const files = {
  'model.safetensors': 'weights',
  'README.md': readFixture('card-classification.md'),
  'checkpoint-45/trainer_state.json': readFixture('trainer-state-classification.json'),
};

interface Running extends HubFixture {
  readonly job: JobRef;
  see(cursor?: unknown): Promise<Seen>;
}

async function submit(options: FixtureOptions = {}, spec: Parameters<typeof toInput>[0] = {}): Promise<Running> {
  const fixture = await createHubFixture({ lines: labelled, files, ...options });
  const context = fixture.toAttempt();
  const request = fixture.provider.training.translate(toInput(spec)).request;
  const prepared = await fixture.provider.training.prepare(request, context);
  const job = await fixture.provider.training.create(fixture.provider.training.bind(request, prepared, key, 1), context);
  const see = async (cursor: unknown = null): Promise<Seen> => (await fixture.provider.training.observe(job, cursor, context)) as Seen;
  return Object.assign(fixture, { job, see });
}

describe('a job that succeeds', () => {
  test('is queued, runs with progress, and ends with a model, its measures and its cost', async () => {
    await using fixture = await submit();
    expect(await fixture.see()).toMatchObject({ status: { phase: 'queued', raw: 'SCHEDULING' }, logs: [], startedAt: null, cost: null });
    fixture.pass(40_000);
    const running = await fixture.see();
    expect(running).toMatchObject({
      status: { phase: 'running', raw: 'RUNNING' },
      progress: { steps: 45 },
      startedAt: '2026-11-22T12:00:10.000Z',
      finishedAt: null,
    });
    expect(running.metrics.length).toBeGreaterThan(0);
    fixture.pass(20_000);
    const ended = await fixture.see(running.cursor);
    const { sha } = [...fixture.hub.repos].find(([name]) => name.startsWith('models/acme/') && !/base|young/.test(name))![1];
    expect(ended).toMatchObject({
      status: { phase: 'succeeded', raw: 'COMPLETED' },
      finishedAt: '2026-11-22T12:01:00.000Z',
      failure: null,
      cost: { usd: 0.005556, source: expect.stringMatching(/^50 s of t4-small at \$0\.40002 an hour/) as string },
      artifacts: [{ kind: 'repository', model: { kind: 'repository', revision: sha, labels: ['no', 'yes'], maxLength: 128 } }],
    });
    expect(ended.artifacts[0]!.uri).toMatch(new RegExp(`^hub:acme/.*@${sha}$`));
    const all = [...running.metrics, ...ended.metrics];
    const loss = all.filter(({ name, split, step }) => name === 'loss' && split === 'validation' && step !== null);
    expect(loss.map(({ step }) => step)).toEqual([15, 30, 45]);
    // The log told the evaluation of the finished model: its card adds nothing.
    expect(all.filter(({ name, split, step }) => name === 'loss' && split === 'validation' && step === null)).toHaveLength(1);
    expect((await fixture.see(ended.cursor)).metrics).toEqual([]);
  });

  test('measures come from the state of a checkpoint and from the card where the log is gone', async () => {
    await using fixture = await submit({ lines: [] });
    fixture.pass(60_000);
    const { metrics } = await fixture.see();
    expect(metrics.filter(({ source }) => source.startsWith('trainer_state.json')).length).toBeGreaterThan(5);
    expect(metrics.some(({ name, source }) => name === 'f1' && source.startsWith('README.md'))).toBe(true);
  });

  test.each([
    ['README.md', { 'README.md': '# model' }],
    ['weights', { 'model.safetensors': 'weights' }],
    ['empty weights', { 'model.safetensors': '', 'README.md': '# model' }],
  ])('with nothing but %s it is not finished, and after a while has failed', async (_what, left) => {
    await using fixture = await submit({ lines: ['all went well'], files: left });
    fixture.pass(60_000);
    const first = await fixture.see();
    expect(first).toMatchObject({ status: { phase: 'finalizing', raw: 'COMPLETED' }, artifacts: [], failure: null, finishedAt: null });
    fixture.pass(11 * 60_000);
    expect(await fixture.see(first.cursor)).toMatchObject({
      status: { phase: 'failed', raw: 'COMPLETED' },
      failure: { message: expect.any(String) as string },
    });
  });
});

describe('a job that fails', () => {
  test('behind a status of 0 it says what the log hides', async () => {
    await using fixture = await submit({ lines: readFixtureLines('autotrain-failed-quantization-merged.log'), files: {} });
    fixture.pass(60_000);
    const seen = await fixture.see();
    expect(seen).toMatchObject({ status: { phase: 'failed', raw: 'COMPLETED' } });
    expect(seen.failure?.message).toMatch(/GPU/);
  });

  test.each([
    ['autotrain-failed-model.out', 'model-invalid'],
    ['autotrain-failed-quantization.out', 'job-file-invalid'],
    ['autotrain-failed-repository.out', 'request-refused'],
  ])('%s, which ended with 0', async (name, code) => {
    await using fixture = await submit({ lines: readFixtureLines(name), files: {} });
    fixture.pass(60_000);
    expect(await fixture.see()).toMatchObject({ status: { phase: 'failed', raw: 'COMPLETED' }, failure: { code }, artifacts: [] });
  });

  test('a model that was there and is gone is no failed training', async () => {
    await using fixture = await submit({ lines: [...labelled, 'orchestrate: the model is in acme/demo'], files: {} });
    fixture.pass(60_000);
    expect(await fixture.see()).toMatchObject({ status: { phase: 'finalizing' }, failure: null });
    fixture.pass(11 * 60_000);
    expect(await fixture.see()).toMatchObject({
      status: { phase: 'failed', raw: 'COMPLETED' },
      failure: { code: 'model-unavailable', message: 'the job brought its model to acme/demo, where there is none any more' },
    });
  });

  test('with a status of its own it says what the log says', async () => {
    await using fixture = await submit(
      { lines: readFixtureLines('trl-failed-argument.err'), stage: 'ERROR', message: 'exit code 2' },
      { task: 'chat' },
    );
    fixture.pass(60_000);
    expect(await fixture.see()).toMatchObject({ status: { phase: 'failed', raw: 'ERROR' }, failure: { code: 'job-file-invalid' } });
  });

  test.each(['the engine ended with status 0 and left no weights', 'the model could not be uploaded'])(
    'the program in the container: %s',
    async (words) => {
      await using fixture = await submit({ lines: ['x', `orchestrate: ${words}`], stage: 'ERROR', message: 'exit code 1' });
      fixture.pass(60_000);
      expect((await fixture.see()).failure?.message).toBe(`the training program failed: ${words}`);
    },
  );

  test('out of time', async () => {
    await using fixture = await submit({ lines: ['x'], stage: 'ERROR', message: 'Job timeout' });
    fixture.pass(60_000);
    expect(await fixture.see()).toMatchObject({ failure: { code: 'timeout', cause: 'timeout' } });
  });
});

describe('the log', () => {
  test('of a running job that ends early and cleanly is not the end of the job, and nothing is lost', async () => {
    await using fixture = await submit();
    fixture.pass(59_000);
    fixture.hub.settings.logEndsAfter = 3;
    const early = await fixture.see();
    expect(early.status.phase).toBe('running');
    expect(early.logs.length).toBeLessThanOrEqual(3);
    fixture.hub.settings.logEndsAfter = null;
    fixture.pass(1000);
    const rest = await fixture.see(early.cursor);
    const whole = await fixture.see();
    expect([...early.logs, ...rest.logs]).toEqual(whole.logs);
    expect([...early.metrics, ...rest.metrics]).toEqual(whole.metrics);
  });

  test('that cannot be read hides no running job, and holds back the end of one for a while only', async () => {
    await using fixture = await submit();
    fixture.pass(30_000);
    fixture.hub.settings.fault = { on: /logs$/, type: '500' };
    const running = await fixture.see();
    expect(running).toMatchObject({ status: { phase: 'running' }, logs: [] });
    fixture.pass(30_000);
    await expect(fixture.see(running.cursor)).rejects.toMatchObject({ code: 'service-unavailable' });
    fixture.pass(11 * 60_000);
    const late = await fixture.see(running.cursor);
    expect(late).toMatchObject({ status: { phase: 'succeeded' }, notes: [{ type: 'warning' }] });
    expect(late.artifacts).toHaveLength(1);
  });

  test('shows no token', async () => {
    await using fixture = await submit({ lines: [`login with ${canaryToken}`, `Authorization: Bearer ${canaryToken}`] });
    fixture.pass(60_000);
    const seen = await fixture.see();
    expect(JSON.stringify(seen)).not.toContain(canaryToken);
    expect(seen.logs.some(({ text }) => text.startsWith('login with'))).toBe(true);
  });

  test('leaves no connection open', async () => {
    await using fixture = await submit();
    fixture.pass(30_000);
    const seeing = fixture.see();
    await expect.poll(() => fixture.hub.countStreams()).toBe(1);
    await seeing;
    await expect.poll(() => fixture.hub.countStreams(), { timeout: 1000 }).toBe(0);
  });
});

describe('cancel and places', () => {
  test('cancel stops a job, and leaves one that has ended alone', async () => {
    await using fixture = await submit();
    fixture.pass(20_000);
    const context = fixture.toAttempt();
    await fixture.provider.training.cancel!(fixture.job, context);
    expect(await fixture.see()).toMatchObject({ status: { phase: 'cancelled', raw: 'CANCELED' }, artifacts: [] });
    await fixture.provider.training.cancel!(fixture.job, context);
    expect(fixture.hub.requests.filter(({ path }) => path.endsWith('/cancel'))).toHaveLength(1);
  });

  test('a cancel that the service refuses is a failure, and the job goes on', async () => {
    await using fixture = await submit();
    fixture.pass(20_000);
    fixture.hub.settings.fault = { on: /cancel$/, type: '500' };
    await expect(fixture.provider.training.cancel!(fixture.job, fixture.toAttempt())).rejects.toMatchObject({
      code: 'service-unavailable',
    });
  });

  test('a job of another Hub is not asked for here', async () => {
    await using fixture = await submit();
    const other = { ...fixture.job, location: 'https://huggingface.co/acme' };
    await expect(fixture.provider.training.observe(other, null, fixture.toAttempt())).rejects.toMatchObject({
      code: 'configuration-invalid',
    });
  });
});

import { describe, expect, test } from 'vitest';
import hidden from '../../../fixtures/huggingface/logs/autotrain-hidden-failure.json' with { type: 'json' };
import log from '../../../fixtures/huggingface/logs/autotrain-classification.json' with { type: 'json' };
import type { HubCursor } from '../../../providers/huggingface/observe.ts';
import type { JobRef, Observation } from '../../../src/provider/job.ts';
import { canaryToken, createHubFixture, key, toInput, type HubFixture, type FixtureOptions } from './fixture.ts';
import type { Printed } from './hub-server.ts';
import { readFixture } from './read-fixture.ts';

type Seen = Observation<HubCursor>;

const started = { type: 'engine-started', engine: 'autotrain', task: 'text-classification' };
const uploaded = { type: 'model-uploaded', repository: 'acme/demo' };
const labelled: readonly Printed[] = [started, ...log, uploaded];

function toFailed(code: string, message: string): Printed {
  return { type: 'training-failed', code, message, hint: null } as Printed;
}

const files = {
  'model.safetensors': 'weights',
  'README.md': readFixture('card-classification.md'),
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
    expect(all.filter(({ name, split, step }) => name === 'loss' && split === 'validation' && step === null)).toHaveLength(1);
    expect((await fixture.see(ended.cursor)).metrics).toEqual([]);
  });

  test('events are shown in words, and lines of the engine as they are', async () => {
    await using fixture = await submit();
    fixture.pass(60_000);
    const { logs } = await fixture.see();
    const texts = logs.map(({ text }) => text);
    expect(texts[0]).toMatch(/^===== Job started/);
    expect(texts[1]).toBe('running autotrain for text-classification');
    expect(texts).toContain('the model is in acme/demo');
    expect(texts.filter((text) => text.startsWith("{'loss': 0.687"))).toHaveLength(1);
    expect(texts.join('\n')).not.toContain('orchestrate-event');
  });

  test('events that the log has lost are read beside the model', async () => {
    const events = labelled.filter((one) => typeof one !== 'string');
    const at = '2026-11-22T12:00:20.000Z';
    const kept = events.map((event, i) => `${JSON.stringify({ n: i + 1, at, ...(event as object) })}\n`).join('');
    await using fixture = await submit({ lines: events.slice(0, 4), files: { ...files, 'orchestrate-events.jsonl': `${kept}{broken` } });
    fixture.pass(30_000);
    const running = await fixture.see();
    fixture.pass(30_000);
    const ended = await fixture.see(running.cursor);
    await using whole = await submit({ lines: events });
    whole.pass(60_000);
    const withoutTime = (seen: Seen[]): unknown[] => seen.flatMap(({ metrics }) => metrics.map((metric) => ({ ...metric, at: null })));
    expect(withoutTime([running, ended])).toEqual(withoutTime([await whole.see()]));
    expect((await fixture.see(ended.cursor)).metrics).toEqual([]);
    expect(ended.notes).toEqual([]);
  });

  test('events that were read beside the model are not reported again when the log brings them', async () => {
    const events = labelled.filter((one) => typeof one !== 'string');
    const kept = events.map((event, i) => `${JSON.stringify({ n: i + 1, at: '2026-11-22T12:00:20.000Z', ...(event as object) })}\n`);
    await using fixture = await submit({ lines: events, files: { ...files, 'orchestrate-events.jsonl': kept.join('') }, logEndsAfter: 4 });
    fixture.pass(60_000);
    const ended = await fixture.see();
    expect(ended.metrics.length).toBeGreaterThan(50);
    fixture.hub.settings.logEndsAfter = null;
    const after = await fixture.see(ended.cursor);
    expect(after.metrics).toEqual([]);
    expect(after.logs.map(({ text }) => text)).toContain('the model is in acme/demo');
  });

  test('a job of an earlier version of the program succeeds without metrics, and says so once', async () => {
    await using fixture = await submit({ lines: ["{'loss': 0.5, 'epoch': 1}", 'orchestrate: the model is in acme/demo'] });
    fixture.pass(40_000);
    // What such a version has stored.
    const cursor = { log: { lines: 2, first: 'a', hash: 'b', last: ['c'], isCut: false }, areFilesRead: false, model: null };
    expect((await fixture.see(cursor)).logs).toHaveLength(0);
    fixture.pass(20_000);
    const ended = await fixture.see(cursor);
    expect(ended).toMatchObject({ status: { phase: 'succeeded' }, metrics: [], artifacts: [{ kind: 'repository' }], failure: null });
    expect(ended.notes).toEqual([{ type: 'warning', message: expect.stringMatching(/^an earlier version/) as string }]);
    expect(ended.logs.map(({ text }) => text)).toEqual([
      'orchestrate: the model is in acme/demo',
      expect.stringMatching(/^===== Job finished/),
    ]);
    expect((await fixture.see(ended.cursor)).notes).toEqual([]);
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
  test('behind a status of 0 it says what the container found', async () => {
    await using fixture = await submit({ lines: [started, ...hidden], files: {} });
    fixture.pass(60_000);
    expect(await fixture.see()).toMatchObject({
      status: { phase: 'failed', raw: 'COMPLETED' },
      failure: { code: 'job-file-invalid', cause: 'user', message: expect.stringMatching(/^this setting needs a GPU: /) as string },
      artifacts: [],
    });
  });

  test('a model that was there and is gone is no failed training', async () => {
    await using fixture = await submit({ lines: labelled, files: {} });
    fixture.pass(60_000);
    const first = await fixture.see();
    expect(first).toMatchObject({ status: { phase: 'finalizing' }, failure: null });
    fixture.pass(11 * 60_000);
    expect(await fixture.see(first.cursor)).toMatchObject({
      status: { phase: 'failed', raw: 'COMPLETED' },
      failure: { code: 'model-unavailable', message: 'the job uploaded its model to acme/demo, where it no longer exists' },
    });
  });

  test('a failure that an earlier poll has read is still known at the end', async () => {
    await using fixture = await submit({
      lines: [toFailed('data-invalid', 'no such column'), 'x', 'x', 'x'],
      stage: 'ERROR',
      message: 'exit code 1',
    });
    fixture.pass(40_000);
    const running = await fixture.see();
    expect(running).toMatchObject({ status: { phase: 'running' }, failure: null });
    fixture.pass(20_000);
    expect(await fixture.see(running.cursor)).toMatchObject({
      status: { phase: 'failed', raw: 'ERROR' },
      failure: { code: 'data-invalid', cause: 'data', message: 'no such column' },
    });
  });

  test.each([
    ['Job timeout', { code: 'timeout', cause: 'timeout' }],
    ['Job failed with exit code: 137', { code: 'out-of-memory' }],
    ['OOMKilled', { code: 'out-of-memory' }],
    ['exit code 1', { code: 'training-failed', message: 'the job failed: exit code 1' }],
    [null, { code: 'training-failed', message: 'the job left no model and no reason' }],
  ])('without a word of the container, by the message %j of the service', async (message, failure) => {
    await using fixture = await submit({ lines: ['Killed'], stage: 'ERROR', message });
    fixture.pass(60_000);
    expect((await fixture.see()).failure).toMatchObject(failure);
  });

  test('a code that is not known is a fault of the program', async () => {
    await using fixture = await submit({ lines: [toFailed('constructor', 'x')], stage: 'ERROR' });
    fixture.pass(60_000);
    expect((await fixture.see()).failure).toMatchObject({ code: 'unexpected', message: 'x' });
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

describe('cancel and locations', () => {
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

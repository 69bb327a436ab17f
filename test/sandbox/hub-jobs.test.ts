import { cancelJob, downloadFile, listFiles, listJobHardware, listJobs, runJob, streamJobLogs } from '@huggingface/hub';
import { expect, test } from 'vitest';
import { formatTask, openHubJob, openSandbox, readHubJob, startHubJob, trainQuickly, type SandboxFixture } from './fixture.ts';

async function readStage(fixture: SandboxFixture, id: string): Promise<string> {
  return (await readHubJob(fixture, id)).status.stage;
}

async function listPaths({ hub }: SandboxFixture): Promise<string[]> {
  return (await Array.fromAsync(listFiles({ ...hub, repo: 'demo/tuned' }))).map(({ path }) => path);
}

test('a job goes its way on the clock, brings a model, and is charged', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly });
  const { sandbox, hub, account } = fixture;
  const id = await openHubJob(fixture);
  expect(await readHubJob(fixture, id)).toMatchObject({
    status: { stage: 'SCHEDULING', message: null, failureCount: 0 },
    startedAt: null,
    secrets: ['HF_TOKEN'],
    labels: { orchestrate_key: 'k1' },
    durations: { schedulingSecs: 0, runningSecs: null, totalSecs: 0 },
  });
  sandbox.step(999);
  expect(await readStage(fixture, id)).toBe('SCHEDULING');
  sandbox.step(1);
  expect(await readHubJob(fixture, id)).toMatchObject({ status: { stage: 'RUNNING' }, startedAt: '2026-11-01T00:00:01.000Z' });
  sandbox.step(2999);
  expect(await readStage(fixture, id)).toBe('RUNNING');
  expect(await listPaths(fixture)).toContain('model.safetensors'); // the model comes before the end
  sandbox.step(1);
  const finishedAt = '2026-11-01T00:00:04.000Z';
  const durations = { schedulingSecs: 1, runningSecs: 3, totalSecs: 4 };
  expect(await readHubJob(fixture, id)).toMatchObject({ status: { stage: 'COMPLETED' }, finishedAt, durations });
  const card = await (await downloadFile({ ...hub, repo: 'demo/tuned', path: 'README.md' }))?.text();
  expect(card).toContain('## Validation Metrics\nloss: 0.6\n\naccuracy: 0.75\n');
  const about = { flavor: 'a10g-large', labels: { name: 'tuned', orchestrate_key: 'k1' }, environment: { ORCHESTRATE_JOB: formatTask() } };
  expect(account().bill).toEqual([
    { kind: 'hub-job', at: '2026-11-01T00:00:00.000Z', job: id, ...about },
    { kind: 'hub-job-end', at: finishedAt, job: id, stage: 'COMPLETED', seconds: 3, usd: 0.00125, trained: true },
  ]);
  const branches = [
    { name: 'main', commits: 2 },
    { name: 'orchestrate-claim', commits: 1 },
  ];
  expect(account().hub.repos.find(({ name }) => name === 'demo/tuned')).toMatchObject({ branches });
  expect(JSON.stringify(account())).not.toContain(hub.accessToken);
});

test('where polls rule, the n-th one sees the end', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly, settings: { polls: 3 } });
  const id = await openHubJob(fixture);
  const stages: string[] = [];
  for (let i = 0; i < 3; i++) stages.push(await readStage(fixture, id));
  expect(stages).toEqual(['RUNNING', 'RUNNING', 'COMPLETED']);
});

test('the second job of an attempt finds its claim, ends within a second and trains nothing', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly });
  const first = await openHubJob(fixture);
  fixture.sandbox.step(1);
  const second = await startHubJob(fixture);
  fixture.sandbox.step(1500);
  const ended = { status: { stage: 'ERROR', message: 'Job failed with exit code: 3' }, durations: { runningSecs: 1 } };
  expect(await readHubJob(fixture, second)).toMatchObject(ended);
  fixture.sandbox.step(10_000);
  expect(await readStage(fixture, first)).toBe('COMPLETED');
  expect(fixture.account().bill.filter((entry) => entry.kind === 'hub-job-end' && entry.trained)).toMatchObject([{ job: first }]);
});

const otherRows = { repo: 'demo/none', revision: 'main', train: 'x', textColumn: 'text' };

test.each<[string, object, string]>([
  ['no secret', { secrets: {} }, "KeyError: 'HF_TOKEN'"],
  ['no dataset', { environment: { ORCHESTRATE_JOB: formatTask({ dataset: otherRows }) } }, 'demo/none'],
  ['a repository of others', { environment: { ORCHESTRATE_JOB: formatTask({ output: { repo: 'Qwen/Qwen3-0.6B' } }) } }, 'Qwen/Qwen3-0.6B'],
  ['no task', { environment: { ORCHESTRATE_JOB: '{' } }, 'expected JSON'],
  ['a task of another version', { environment: { ORCHESTRATE_JOB: formatTask({ version: 2 }) } }, 'version'],
])('a container with %s crashes', async (_, options, line) => {
  const fixture = await openSandbox({ trainModel: trainQuickly });
  const id = await openHubJob(fixture, options);
  fixture.sandbox.step(4000);
  const status = { stage: 'ERROR', message: 'Job failed with exit code: 1', failureCount: 1 };
  expect(await readHubJob(fixture, id)).toMatchObject({ status });
  expect(await (await fixture.ask('GET', `/api/jobs/demo/${id}/logs`)).text()).toContain(line);
});

test('failures by settings: one that shows, one that hides behind a good end, and a good end without a model', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly });
  const { ask, sandbox } = fixture;
  await openHubJob(fixture, { environment: {} });
  const end = async (settings: Parameters<typeof sandbox.setSettings>[0]): Promise<[string, string]> => {
    sandbox.setSettings({ jobError: null, hiddenFailure: false, ...settings });
    const id = await startHubJob(fixture);
    sandbox.step(4000);
    const stage = await readStage(fixture, id);
    await ask('DELETE', '/api/models/demo/tuned/branch/orchestrate-claim');
    return [stage, await (await ask('GET', `/api/jobs/demo/${id}/logs`)).text()];
  };
  const jobError = { code: 'RuntimeError', message: 'CUDA out of memory' };
  expect(await end({ jobError })).toEqual(['ERROR', expect.stringContaining('RuntimeError: CUDA out of memory')]);
  expect(await end({ hiddenFailure: true })).toEqual(['COMPLETED', expect.stringContaining('CUDA is required')]);
  expect((await end({ blockModel: true }))[0]).toBe('COMPLETED');
  expect(await listPaths(fixture)).toEqual(['.gitattributes']);
});

test('a job that is too slow ends by its timeout', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly, settings: { jobMs: 40_000 } });
  const id = await openHubJob(fixture, { timeoutSeconds: 20 });
  fixture.sandbox.step(60_000);
  const finishedAt = '2026-11-01T00:00:30.000Z';
  expect(await readHubJob(fixture, id)).toMatchObject({ status: { stage: 'ERROR', message: 'Job timeout' }, finishedAt });
  expect(await listPaths(fixture)).toEqual(['.gitattributes']);
});

test('a cancelled job stops its training and stays cancelled; one that waits is cancelled at no cost', async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const fixture = await openSandbox({
    clock: 'real',
    settings: { jobMs: 0 },
    async trainModel({ signal }) {
      started.resolve(signal);
      return await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      });
    },
  });
  const id = await openHubJob(fixture);
  const signal = await started.promise;
  for (let i = 0; i < 2; i++) await cancelJob({ ...fixture.hub, namespace: 'demo', jobId: id });
  expect(signal.aborted).toBe(true);
  expect((await readHubJob(fixture, id)).status).toEqual({ stage: 'CANCELED', message: null, failureCount: 0 });
  fixture.sandbox.setSettings({ jobMs: 100_000 });
  const waiting = await startHubJob(fixture);
  await cancelJob({ ...fixture.hub, namespace: 'demo', jobId: waiting });
  expect(fixture.account().bill.at(-1)).toMatchObject({ job: waiting, stage: 'CANCELED', seconds: 0, usd: 0, trained: false });
});

test.each([
  ['autotrain', 'sft'],
  ['trl', 'dpo'],
])('%s with %s computes nothing: figures of a curve, and an adapter', async (engine, task) => {
  const fixture = await openSandbox();
  const environment = { ORCHESTRATE_JOB: formatTask({ engine, task, model: { base: 'Qwen/Qwen3-0.6B' } }) };
  const id = await openHubJob(fixture, { environment });
  fixture.sandbox.step(4000);
  expect(await readStage(fixture, id)).toBe('COMPLETED');
  expect(await (await fixture.ask('GET', `/api/jobs/demo/${id}/logs`)).text()).toContain('mean_token_accuracy');
  expect(await listPaths(fixture)).toEqual(['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);
});

test('the list has filters, pages and the jobs of others, and may lag', async () => {
  const fixture = await openSandbox({ pageSize: 2, settings: { otherJobs: 3 } });
  const { hub, ask, sandbox } = fixture;
  const ids: string[] = [];
  for (const key of ['k1', 'k2', 'k1', 'k1'])
    ids.unshift(await startHubJob(fixture, { labels: { orchestrate_key: key }, environment: {} }));
  const list = async (query: string): Promise<string[]> => {
    const found: string[] = [];
    for (let path: string | null = `/api/jobs/demo${query}`; path !== null;) {
      const answer = await ask('GET', path);
      found.push(...((await answer.json()) as { id: string }[]).map(({ id }) => id));
      path = /<[^>]*?(\/api\/[^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1] ?? null;
    }
    return found;
  };
  expect([(await list('')).slice(0, 4), (await list('')).length]).toEqual([ids, 7]);
  expect(await list('?label=orchestrate_key=k1')).toEqual([ids[0], ids[1], ids[3]]);
  expect(await list('?label=orchestrate_key%3Dk2&label=other=1')).toEqual([]);
  await cancelJob({ ...hub, namespace: 'demo', jobId: ids[0]! });
  expect(await list('?stage=CANCELED&stage=ERROR')).toEqual([ids[0]]);
  expect((await ask('GET', '/api/jobs/demo?state=RUNNING')).status).toBe(400);
  expect((await listJobs({ ...hub, namespace: 'demo' })).map(({ id }) => id)).toEqual(ids.slice(0, 2));
  sandbox.setSettings({ listLagMs: 1000 });
  expect(await list('?label=orchestrate_key=k1')).toEqual([]);
  sandbox.step(1000);
  expect(await list('?label=orchestrate_key=k1')).toHaveLength(3);
});

test.each<[object]>([
  [{ priority: 1 }],
  [{ dockerImage: undefined }],
  [{ flavor: 'nope' }],
  [{ labels: { a: 'b c' } }],
  [{ secrets: { A: 1 } }],
])('a creation with %j is refused and costs nothing', async (change) => {
  const { ask, account } = await openSandbox();
  const answer = await ask('POST', '/api/jobs/demo', { dockerImage: 'python:3.12', command: ['x'], flavor: 'cpu-basic', ...change });
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: 'Invalid input' }]);
  expect(account().bill).toEqual([]);
});

test('refusals and prices are those of the Hub', async () => {
  const fixture = await openSandbox({ settings: { refuse: 'insufficient_quota' } });
  const { hub } = fixture;
  await expect(startHubJob(fixture)).rejects.toMatchObject({ statusCode: 402, data: { error: 'Pre-paid credit balance is insufficient' } });
  const others = runJob({ ...hub, namespace: 'other', flavor: 'cpu-basic', dockerImage: 'x' });
  await expect(others).rejects.toMatchObject({ statusCode: 403 });
  await expect(readHubJob(fixture, '0')).rejects.toMatchObject({ statusCode: 404 });
  const machines = await listJobHardware({ hubUrl: hub.hubUrl });
  expect(machines.find(({ name }) => name === 'a10g-large')).toMatchObject({ unitCostMicroUSD: 25_000, unitLabel: 'minute' });
  expect(machines.find(({ name }) => name === 'cpu-basic')).toMatchObject({ unitCostMicroUSD: 167, accelerator: null });
});

interface ReadLog {
  readonly lines: readonly string[];
  readonly end: 'end' | 'cut';
}

async function readLog({ hub }: SandboxFixture, jobId: string): Promise<ReadLog> {
  const lines: string[] = [];
  try {
    for await (const { message } of streamJobLogs({ ...hub, namespace: 'demo', jobId })) lines.push(message);
    return { lines, end: 'end' };
  } catch {
    return { lines, end: 'cut' };
  }
}

test('a log is replayed from its start; after a cut or an early end the next stream is whole', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly });
  const id = await openHubJob(fixture);
  fixture.sandbox.step(4000);
  await readHubJob(fixture, id);
  const whole = await readLog(fixture, id);
  expect(whole).toEqual({ lines: expect.arrayContaining([expect.stringContaining('demo/tuned')]), end: 'end' });
  expect([whole.lines[0], whole.lines.at(-1)]).toEqual([
    expect.stringContaining('Job started'),
    '===== Job finished: status=COMPLETED =====',
  ]);
  const tail = await (await fixture.ask('GET', `/api/jobs/demo/${id}/logs?tail=2`)).text();
  expect(tail.match(/^data: /gm)).toHaveLength(2);
  fixture.sandbox.setFaults({ 'job-logs': [{ type: 'cut' }, { type: 'early-end' }, { type: '500-before' }] });
  for (const end of ['cut', 'end'] as const) {
    const { lines, ...rest } = await readLog(fixture, id);
    expect(rest).toEqual({ end });
    expect(lines.length).toBeGreaterThan(0);
    expect(lines).toEqual(whole.lines.slice(0, Math.min(lines.length, whole.lines.length - 1)));
  }
  expect(await readLog(fixture, id)).toEqual({ lines: [], end: 'cut' });
  expect(await readLog(fixture, id)).toEqual(whole);
});

test('a stream follows a running job to its end, and shows now and then that it lives', async () => {
  const fixture = await openSandbox({ trainModel: trainQuickly, settings: { jobMs: 400_000 } });
  const { sandbox, ask } = fixture;
  const id = await openHubJob(fixture);
  const { body } = await ask('GET', `/api/jobs/demo/${id}/logs`);
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  const next = async (): Promise<string> => (await reader.read()).value ?? 'the end';
  sandbox.step(30_000);
  expect(await next()).toBe(': keep-alive\n\n');
  sandbox.step(70_000);
  expect(await next()).toContain('Job started');
  await readHubJob(fixture, id);
  sandbox.step(60_000);
  expect(await next()).toContain('text-classification');
  await ask('POST', `/api/jobs/demo/${id}/cancel`);
  expect(await next()).toContain('status=CANCELED');
  expect(await next()).toBe('the end');
});

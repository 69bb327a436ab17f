import { cancelJob, downloadFile, listFiles, listJobHardware, listJobs, runJob } from '@huggingface/hub';
import { expect, test } from 'vitest';
import { openHubFixture, trainQuickly } from './hub-world.ts';
import { bringRows, lookAt, openJob, output, startJob, toTask } from './jobs-world.ts';

test('a job goes its way on the clock, brings a model, and is charged', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly });
  const { sandbox, hub, account } = fixture;
  const id = await openJob(fixture);
  expect(await lookAt(fixture, id)).toMatchObject({
    status: { stage: 'SCHEDULING', message: null, failureCount: 0 },
    startedAt: null,
    secrets: ['HF_TOKEN'],
    labels: { orchestrate_key: 'k1' },
    timeoutSeconds: 600,
    durations: { schedulingSecs: 0, runningSecs: null, totalSecs: 0 },
    owner: { name: 'rehearsal', type: 'user' },
  });
  sandbox.step(999);
  expect((await lookAt(fixture, id)).status.stage).toBe('SCHEDULING');
  sandbox.step(1);
  expect(await lookAt(fixture, id)).toMatchObject({
    status: { stage: 'RUNNING' },
    startedAt: '2026-11-01T00:00:01.000Z',
    finishedAt: null,
  });
  sandbox.step(2999);
  const files = async (): Promise<string[]> => (await Array.fromAsync(listFiles({ ...hub, repo: output }))).map(({ path }) => path);
  expect((await lookAt(fixture, id)).status.stage).toBe('RUNNING');
  expect(await files()).toContain('model.safetensors'); // the model comes before the end
  sandbox.step(1);
  expect(await lookAt(fixture, id)).toMatchObject({
    status: { stage: 'COMPLETED' },
    finishedAt: '2026-11-01T00:00:04.000Z',
    durations: { schedulingSecs: 1, runningSecs: 3, totalSecs: 4 },
  });
  expect(await files()).toEqual(['.gitattributes', 'README.md', 'config.json', 'model.safetensors']);
  const card = await (await downloadFile({ ...hub, repo: output, path: 'README.md' }))?.text();
  expect(card).toContain('## Validation Metrics\nloss: 0.6\n\naccuracy: 0.75\n');
  const environment = { ORCHESTRATE_JOB: toTask() };
  expect(account().bill).toEqual([
    {
      kind: 'hub-job',
      at: '2026-11-01T00:00:00.000Z',
      job: id,
      flavor: 'a10g-large',
      labels: { name: 'tuned', orchestrate_key: 'k1' },
      environment,
    },
    { kind: 'hub-job-end', at: '2026-11-01T00:00:04.000Z', job: id, stage: 'COMPLETED', seconds: 3, usd: 0.00125, trained: true },
  ]);
  const { repos, jobs } = account().hub;
  const branches = [
    { name: 'main', commits: 2 },
    { name: 'orchestrate-claim', commits: 1 },
  ];
  expect(repos.find(({ name }) => name === output)).toMatchObject({ branches });
  expect(JSON.stringify([account(), jobs])).not.toContain(hub.accessToken);
});

test('where looks rule, the n-th look sees the end', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly, settings: { looks: 3 } });
  const id = await openJob(fixture);
  const stages: string[] = [];
  for (let look = 0; look < 3; look++) stages.push((await lookAt(fixture, id)).status.stage);
  expect(stages).toEqual(['RUNNING', 'RUNNING', 'COMPLETED']);
});

test('the second job of an attempt finds its claim, ends within a second and trains nothing', async () => {
  let trainings = 0;
  const fixture = await openHubFixture({
    async trainModel(task) {
      trainings++;
      return await trainQuickly(task);
    },
  });
  const first = await openJob(fixture);
  fixture.sandbox.step(1);
  const second = await startJob(fixture);
  fixture.sandbox.step(1500);
  expect(await lookAt(fixture, second)).toMatchObject({
    status: { stage: 'ERROR', message: 'Job failed with exit code: 3' },
    durations: { runningSecs: 1 },
  });
  expect((await lookAt(fixture, first)).status.stage).toBe('RUNNING');
  fixture.sandbox.step(10_000);
  expect((await lookAt(fixture, first)).status.stage).toBe('COMPLETED');
  expect(trainings).toBe(1);
  expect(fixture.account().bill.filter((entry) => entry.kind === 'hub-job-end' && entry.trained)).toMatchObject([{ job: first }]);
});

test.each([
  ['no secret', { secrets: {} }, "KeyError: 'HF_TOKEN'"],
  [
    'no dataset',
    { environment: { ORCHESTRATE_JOB: toTask({ dataset: { repo: 'rehearsal/none', revision: 'main', train: 'x', textColumn: 'text' } }) } },
    'rehearsal/none',
  ],
  ['a repository of others', { environment: { ORCHESTRATE_JOB: toTask({ output: { repo: 'Qwen/Qwen3-0.6B' } }) } }, 'Qwen/Qwen3-0.6B'],
  ['no task', { environment: { ORCHESTRATE_JOB: '{' } }, 'expected JSON'],
  ['a task of another version', { environment: { ORCHESTRATE_JOB: toTask({ version: 2 }) } }, 'version'],
])('a container with %s crashes', async (_, options, line) => {
  const fixture = await openHubFixture({ trainModel: trainQuickly });
  const id = await openJob(fixture, options);
  fixture.sandbox.step(4000);
  expect(await lookAt(fixture, id)).toMatchObject({ status: { stage: 'ERROR', message: 'Job failed with exit code: 1', failureCount: 1 } });
  const log = await (await fixture.ask('GET', `/api/jobs/rehearsal/${id}/logs`)).text();
  expect(log).toContain(line);
});

test('failures by settings: one that shows, and one that hides behind a good end', async () => {
  const fixture = await openHubFixture({
    trainModel: trainQuickly,
    settings: { jobError: { code: 'RuntimeError', message: 'CUDA out of memory' } },
  });
  await bringRows(fixture);
  const end = async (): Promise<[string, string]> => {
    const id = await startJob(fixture);
    fixture.sandbox.step(4000);
    const { status } = await lookAt(fixture, id);
    await fixture.ask('DELETE', `/api/models/${output}/branch/orchestrate-claim`);
    return [status.stage, await (await fixture.ask('GET', `/api/jobs/rehearsal/${id}/logs`)).text()];
  };
  expect(await end()).toEqual(['ERROR', expect.stringContaining('RuntimeError: CUDA out of memory')]);
  fixture.sandbox.setSettings({ jobError: null, hiddenFailure: true });
  expect(await end()).toEqual(['COMPLETED', expect.stringContaining('has failed due to an exception')]);
  fixture.sandbox.setSettings({ hiddenFailure: false, blockModel: true });
  expect(await end()).toEqual(['COMPLETED', expect.not.stringContaining('the model is in')]);
  expect(fixture.account().hub.repos.find(({ name }) => name === output)?.branches).toMatchObject([{ commits: 1 }]);
});

test('a job that is too slow ends by its timeout', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly, settings: { jobMs: 40_000 } });
  const id = await openJob(fixture, { timeoutSeconds: 20 });
  fixture.sandbox.step(60_000);
  expect(await lookAt(fixture, id)).toMatchObject({
    status: { stage: 'ERROR', message: 'Job timeout' },
    finishedAt: '2026-11-01T00:00:30.000Z',
  });
  expect(fixture.account().hub.repos.find(({ name }) => name === output)?.branches[0]).toMatchObject({ commits: 1 });
});

test('a cancelled job stops its training and stays cancelled', async () => {
  const started = Promise.withResolvers<AbortSignal>();
  const fixture = await openHubFixture({
    clock: 'real',
    settings: { jobMs: 0 },
    async trainModel({ signal }) {
      started.resolve(signal);
      return await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      });
    },
  });
  const id = await openJob(fixture);
  const signal = await started.promise;
  expect((await lookAt(fixture, id)).status.stage).toBe('RUNNING');
  await cancelJob({ ...fixture.hub, namespace: 'rehearsal', jobId: id });
  expect(signal.aborted).toBe(true);
  await cancelJob({ ...fixture.hub, namespace: 'rehearsal', jobId: id });
  expect((await lookAt(fixture, id)).status).toEqual({ stage: 'CANCELED', message: null, failureCount: 0 });
  expect(fixture.account().bill.map(({ kind }) => kind)).toEqual(['hub-job', 'hub-job-end']);
});

test('a job that waits is cancelled at no cost', async () => {
  const fixture = await openHubFixture();
  const id = await openJob(fixture);
  await cancelJob({ ...fixture.hub, namespace: 'rehearsal', jobId: id });
  expect(fixture.account().bill[1]).toMatchObject({ stage: 'CANCELED', seconds: 0, usd: 0, trained: false });
});

test.each([
  ['autotrain', 'sft', "'loss': 6.5658"],
  ['trl', 'sft', "'loss': '6.343'"],
  ['trl', 'dpo', "'rewards/margins': '0.6781'"],
  ['autotrain', 'dpo', "'rewards/margins': 0.6781"],
])('%s with %s replays a real log and leaves an adapter', async (engine, task, figure) => {
  const fixture = await openHubFixture();
  const id = await openJob(fixture, { environment: { ORCHESTRATE_JOB: toTask({ engine, task, model: { base: 'Qwen/Qwen3-0.6B' } }) } });
  fixture.sandbox.step(4000);
  expect((await lookAt(fixture, id)).status.stage).toBe('COMPLETED');
  expect(await (await fixture.ask('GET', `/api/jobs/rehearsal/${id}/logs`)).text()).toContain(figure);
  const files = await Array.fromAsync(listFiles({ ...fixture.hub, repo: output }));
  const paths = ['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors'];
  expect(files.map(({ path }) => path)).toEqual(paths);
  const config = await (await downloadFile({ ...fixture.hub, repo: output, path: 'adapter_config.json' }))?.text();
  expect(JSON.parse(config ?? '')).toMatchObject({ base_model_name_or_path: 'Qwen/Qwen3-0.6B', peft_type: 'LORA' });
});

test('the list has filters, pages and the jobs of others, and may lag', async () => {
  const fixture = await openHubFixture({ pageSize: 2, settings: { otherJobs: 3 } });
  const { hub, ask, sandbox } = fixture;
  await bringRows(fixture);
  const ids: string[] = [];
  for (const key of ['k1', 'k2', 'k1', 'k1']) ids.unshift(await startJob(fixture, { labels: { orchestrate_key: key }, environment: {} }));
  const follow = async (query: string): Promise<string[]> => {
    const found: string[] = [];
    for (let path: string | null = `/api/jobs/rehearsal${query}`; path !== null;) {
      const answer = await ask('GET', path);
      found.push(...((await answer.json()) as { id: string }[]).map(({ id }) => id));
      path = /<[^>]*?(\/api\/[^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1] ?? null;
    }
    return found;
  };
  expect((await follow('')).slice(0, 4)).toEqual(ids);
  expect(await follow('')).toHaveLength(7);
  expect(await follow('?label=orchestrate_key=k1')).toEqual([ids[0], ids[1], ids[3]]);
  expect(await follow('?label=orchestrate_key%3Dk2&label=noise=1')).toEqual([]);
  await cancelJob({ ...hub, namespace: 'rehearsal', jobId: ids[0] ?? '' });
  expect(await follow('?stage=CANCELED&stage=ERROR')).toEqual([ids[0]]);
  expect(await follow('?stage=SCHEDULING')).toEqual(ids.slice(1));
  expect((await ask('GET', '/api/jobs/rehearsal?state=RUNNING')).status).toBe(400);
  expect((await listJobs({ ...hub, namespace: 'rehearsal' })).map(({ id }) => id)).toEqual(ids.slice(0, 2));
  await ask('PUT', `/api/jobs/rehearsal/${ids[2]}/labels`, { labels: { orchestrate_key: 'k3' } });
  expect(await follow('?label=orchestrate_key=k3')).toEqual([ids[2]]);
  sandbox.setSettings({ listLagMs: 1000 });
  expect(await follow('?label=orchestrate_key=k1')).toEqual([]);
  sandbox.step(1000);
  expect(await follow('?label=orchestrate_key=k1')).toHaveLength(3);
  expect(fixture.account().bill.filter(({ kind }) => kind === 'hub-job')).toHaveLength(4);
});

test.each([
  ['an unknown field', { priority: 1 }, 400],
  ['no image', { dockerImage: undefined }, 400],
  ['an image and a Space', { spaceId: 'a/b' }, 400],
  ['an unknown machine', { flavor: 'nope' }, 400],
  ['a label with a space', { labels: { a: 'b c' } }, 400],
  ['a secret that is a number', { secrets: { A: 1 } }, 400],
])('a creation with %s is refused and costs nothing', async (_, change, status) => {
  const { ask, account } = await openHubFixture();
  const answer = await ask('POST', '/api/jobs/rehearsal', { dockerImage: 'python:3.12', command: ['x'], flavor: 'cpu-basic', ...change });
  expect([answer.status, await answer.json()]).toMatchObject([status, { error: 'Invalid input' }]);
  expect(account().bill).toEqual([]);
});

test('refusals by settings are those of the Hub', async () => {
  const fixture = await openHubFixture({ settings: { refuse: 'insufficient_quota' } });
  await expect(startJob(fixture)).rejects.toMatchObject({ statusCode: 402, data: { error: 'Pre-paid credit balance is insufficient' } });
  const params = { ...fixture.hub, namespace: 'other', flavor: 'cpu-basic', dockerImage: 'x' } as const;
  await expect(runJob(params)).rejects.toMatchObject({ statusCode: 403 });
  await expect(lookAt(fixture, '0')).rejects.toMatchObject({ statusCode: 404, message: expect.stringContaining('Job not found') });
});

test('machines and their prices are told to everybody', async () => {
  const { hub } = await openHubFixture();
  const machines = await listJobHardware({ hubUrl: hub.hubUrl });
  expect(machines.find(({ name }) => name === 'a10g-large')).toMatchObject({
    unitCostMicroUSD: 25_000,
    unitCostUSD: 0.025,
    unitLabel: 'minute',
  });
  expect(machines.find(({ name }) => name === 'cpu-basic')).toMatchObject({ unitCostMicroUSD: 167, accelerator: null });
});

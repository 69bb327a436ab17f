import { createRepo, streamJobLogs } from '@huggingface/hub';
import { expect, test } from 'vitest';
import { openHubFixture, trainQuickly, type HubFixture } from './hub-world.ts';
import { lookAt, openJob } from './jobs-world.ts';

interface Read {
  /** Without times. */
  readonly lines: readonly string[];
  readonly end: 'end' | 'cut';
}

function toLine(line: string): string {
  return line.replaceAll(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{3}Z)?/g, 'TIME');
}

async function readLog({ hub }: HubFixture, jobId: string): Promise<Read> {
  const lines: string[] = [];
  try {
    for await (const { message } of streamJobLogs({ ...hub, namespace: 'rehearsal', jobId })) lines.push(toLine(message));
    return { lines, end: 'end' };
  } catch {
    return { lines, end: 'cut' };
  }
}

const events = [
  { type: 'engine-started', engine: 'autotrain', task: 'text-classification' },
  { type: 'values-measured', step: 1, epoch: 0.5, values: { loss: 0.7, learning_rate: 1e-5 } },
  { type: 'progress-made', step: 1, steps: 2, epoch: 0.5, etaSeconds: null, loss: 0.7 },
  { type: 'values-measured', step: 2, epoch: 1, values: { loss: 0.5, learning_rate: 0 } },
  { type: 'progress-made', step: 2, steps: 2, epoch: 1, etaSeconds: null, loss: 0.5 },
  { type: 'values-measured', step: 2, epoch: 1, values: { eval_loss: 0.6, eval_accuracy: 0.75, eval_runtime: 0.1 } },
  { type: 'progress-made', step: 2, steps: 2, epoch: 1, etaSeconds: null, loss: null },
  { type: 'model-uploaded', repository: 'rehearsal/tuned' },
];

const whole = [
  '===== Job started at TIME =====',
  ...events.map((event, i) => `orchestrate-event ${JSON.stringify({ n: i + 1, at: 'TIME', ...event })}`),
  '===== Job finished: status=COMPLETED =====',
];

async function openEnded(fixture: HubFixture): Promise<string> {
  const id = await openJob(fixture);
  fixture.sandbox.step(4000);
  await lookAt(fixture, id);
  return id;
}

test('a log is replayed from its start, whole, with the same times, as often as one asks', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly });
  const id = await openEnded(fixture);
  expect(await readLog(fixture, id)).toEqual({ lines: whole, end: 'end' });
  const read = async (): Promise<string> => await (await fixture.ask('GET', `/api/jobs/rehearsal/${id}/logs`)).text();
  expect(await read()).toBe(await read());
  const tail = await (await fixture.ask('GET', `/api/jobs/rehearsal/${id}/logs?tail=2`)).text();
  expect(tail.split('\n\n').filter((event) => event !== '')).toHaveLength(2);
});

test('a cut comes in the middle, an early end looks like the end, and the next stream is whole', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly });
  const id = await openEnded(fixture);
  fixture.sandbox.setFaults({ 'job-logs': [{ type: 'cut' }, { type: 'early-end' }, { type: '500-before' }, { type: 'drop-before' }] });
  expect(await readLog(fixture, id)).toEqual({ lines: whole.slice(0, 5), end: 'cut' });
  expect(await readLog(fixture, id)).toEqual({ lines: whole.slice(0, 5), end: 'end' });
  expect(await readLog(fixture, id)).toEqual({ lines: [], end: 'cut' });
  expect(await readLog(fixture, id)).toEqual({ lines: [], end: 'cut' });
  expect(await readLog(fixture, id)).toEqual({ lines: whole, end: 'end' });
});

test('a stream follows a running job to its end, and says now and then that it lives', async () => {
  const fixture = await openHubFixture({ trainModel: trainQuickly, settings: { jobMs: 400_000 } });
  const { sandbox, ask } = fixture;
  const id = await openJob(fixture);
  const { body } = await ask('GET', `/api/jobs/rehearsal/${id}/logs`);
  if (body === null) throw new Error('expected a stream');
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const next = async (): Promise<string> => (await reader.read()).value ?? 'the end';
  sandbox.step(30_000);
  expect(await next()).toBe(': keep-alive\n\n');
  sandbox.step(70_000);
  expect(await next()).toContain('Job started');
  await lookAt(fixture, id);
  sandbox.step(60_000);
  expect(await next()).toContain('engine-started');
  sandbox.step(240_000);
  let rest = '';
  for (let text = await next(); text !== 'the end'; text = await next()) rest += text;
  expect(rest).toContain('status=COMPLETED');
});

test('a stream ends when its job is cancelled, and with the sandbox', async () => {
  const fixture = await openHubFixture();
  const id = await openJob(fixture);
  const log = readLog(fixture, id);
  fixture.sandbox.step(1000);
  await lookAt(fixture, id);
  await fixture.ask('POST', `/api/jobs/rehearsal/${id}/cancel`);
  expect((await log).lines.at(-1)).toBe('===== Job finished: status=CANCELED =====');
  await createRepo({ ...fixture.hub, repo: 'rehearsal/more' });
  expect((await fixture.ask('GET', '/api/jobs/rehearsal/0/logs')).status).toBe(404);
});

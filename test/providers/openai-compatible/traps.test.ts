import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openClient } from '../../../providers/openai-compatible/client.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import type { JobRef } from '../../../src/provider/job.ts';
import type { Provider, TranslationInput } from '../../../src/provider/provider.ts';
import type { Row } from '../../../src/dataset/row.ts';
import { isFailure } from '../../../src/errors.ts';
import { getNextPollMs } from '../../../src/run/poll.ts';
import {
  canaryKey,
  configs,
  createSandboxFixture,
  facts,
  providers,
  services,
  toInput,
  type SandboxFixture,
  type FixtureOptions,
} from './fixture.ts';
import { startJob, toStepEvent } from './service.ts';

/*
 * Mistakes that other programs for several services were seen to make. Each of these tests sends a whole job to a service and looks at
 * what arrived there, or reads one and looks at the report.
 */

interface Sent {
  readonly fixture: SandboxFixture;
  readonly provider: Provider;
  readonly context: Attempt;
  readonly job: JobRef;
  /** The job at the service. */
  readonly wire: () => Readonly<Record<string, unknown>>;
  /** The rows at the service. */
  readonly readLines: () => Promise<unknown[]>;
}

const jobMs = 100_000;

async function withJob(input: TranslationInput, options: FixtureOptions, use: (sent: Sent) => Promise<void>): Promise<void> {
  await using fixture = await createSandboxFixture({ settings: { jobMs }, ...options });
  const { provider } = fixture;
  const context = fixture.toAttempt();
  const { request } = provider.training.translate(input);
  const prepared = await provider.training.prepare(request, context);
  const job = await provider.training.create(provider.training.bind(request, prepared, context.key, context.attempt), context);
  const wire = (): Readonly<Record<string, unknown>> => ({ ...fixture.sandbox.account(canaryKey).jobs.find(({ id }) => id === job.id) });
  const readLines = async (): Promise<unknown[]> => {
    const client = await openClient(configs[fixture.id], context);
    const text = await (await client.files.content(String(wire()['training_file']))).text();
    return text
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
  };
  await use({ fixture, provider, context, job, wire, readLines });
  expect(fixture.sandbox.account(canaryKey).violations).toEqual([]);
}

const user = { role: 'user', content: 'hi' };
const pairs: readonly Row[] = Array.from({ length: 12 }, (_, i) => ({
  prompt: [user],
  chosen: [{ role: 'assistant', content: `good ${i}` }],
  rejected: [{ role: 'assistant', content: `bad ${i}` }],
}));

const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } };
const tools = [{ type: 'function', function: { name: 'look', parameters: {} } }];
const bot = (content: string): { role: string; content: string } => ({ role: 'assistant', content });
const chats: readonly Row[] = [
  ...Array.from({ length: 9 }, () => ({ messages: [{ role: 'system', content: 'Be brief.' }, user, bot('hello')] })),
  { messages: [user, bot('no system message')] },
  { messages: [user, bot('one'), user, bot('two'), user, bot('three')] },
  { messages: [user, { role: 'assistant', content: null, tool_calls: [call] }], tools },
  {
    messages: [
      user,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: '7' },
      bot('7'),
    ],
    tools,
  },
];

describe.each(services)('%s', (service) => {
  const options = { service };
  const provider = providers[service];

  test('a job of preferences does not become one of plain answers', async () => {
    const input = toInput({ task: 'preference', training: { beta: 0.1, epochs: 1 } });
    await withJob(input, { ...options, rows: pairs }, async ({ wire, readLines }) => {
      expect(wire()['method']).toMatchObject({ type: 'dpo', dpo: { hyperparameters: { beta: 0.1, n_epochs: 1 } } });
      const lines = await readLines();
      expect(lines).toHaveLength(12);
      expect(lines[3]).toEqual({
        input: { messages: [user] },
        preferred_output: [bot('good 3')],
        non_preferred_output: [bot('bad 3')],
      });
    });
  });

  test('no row is dropped: none without a system message, with calls of tools, or with several answers', async () => {
    const few = { ...facts, train: { ...facts.train, rows: chats.length } };
    await withJob(toInput({ task: 'chat' }, { facts: few }), { ...options, rows: chats, facts: few }, async ({ readLines }) => {
      const withoutNull = JSON.parse(JSON.stringify(chats), (_, value: unknown) => value ?? undefined) as object[]; // absent, for the service
      expect(await readLines()).toEqual(withoutNull);
    });
  });

  test('a rank is not sent as another size, and no size is read back as a rank', async () => {
    const training = { adapter: { type: 'lora', rank: 8, alpha: 16 }, batchSize: 4 } as const;
    const { notes } = provider.training.translate(toInput({ training }));
    expect(notes).toContainEqual(expect.objectContaining({ type: 'unsupported', field: 'training.adapter', value: training.adapter }));
    await withJob(toInput({ training }), options, async ({ fixture, wire, provider, job, context }) => {
      expect(wire()['method']).toMatchObject({ supervised: { hyperparameters: { batch_size: 4 } } });
      expect(inspect(wire(), { depth: Infinity })).not.toMatch(/rank|lora|adapter|alpha|: 8\b|: 16\b/i);
      fixture.sandbox.step(jobMs);
      const seen = await provider.training.observe(job, null, context);
      expect(seen.notes).toContainEqual({ type: 'defaulted', field: 'training.batchSize', value: 4 });
      expect(JSON.stringify(seen.notes)).not.toContain('adapter');
    });
  });

  test.each([{ learningRate: { multiplier: 1 } }, { learningRate: 1e-4 }])(
    'a multiplier is not sent as a rate, and a rate not as a multiplier: %o',
    async (training) => {
      await withJob(toInput({ training }), options, async ({ wire }) => {
        expect(JSON.stringify(wire())).not.toMatch(/learning_?rate"/i);
        const { hyperparameters } = (wire()['method'] as { supervised: { hyperparameters: Record<string, unknown> } }).supervised;
        const isMultiplier = typeof training.learningRate === 'object';
        expect(hyperparameters['learning_rate_multiplier'] === 1).toBe(isMultiplier);
        expect(Object.values(hyperparameters)).not.toContain(1e-4);
      });
    },
  );

  test('written settings come back by the same names, the seed with them', async () => {
    const training = { epochs: 2, batchSize: 4, learningRate: { multiplier: 0.7 }, seed: 9 };
    await withJob(toInput({ training }), options, async ({ fixture, wire, provider, job, context }) => {
      expect(wire()).toMatchObject({ seed: 9 });
      fixture.sandbox.step(jobMs);
      const { notes } = await provider.training.observe(job, null, context);
      const back = Object.fromEntries(notes.flatMap((note) => (note.type === 'defaulted' ? [[note.field.slice(9), note.value]] : [])));
      expect(back).toEqual(training);
    });
  });

  test('a cancelled job is still there, with its file, and nothing was deleted', async () => {
    await withJob(toInput(), options, async ({ fixture, wire, provider, job, context }) => {
      await provider.training.cancel!(job, context);
      expect(await provider.training.find({}, [], context)).toEqual([job]);
      expect((await provider.training.observe(job, null, context)).status.phase).toBe('cancelled');
      const { used, files, requests } = fixture.sandbox.account(canaryKey);
      expect(used).toMatchObject({ cancel: 1 });
      expect(requests.map(({ kind }) => kind)).not.toContain('delete');
      expect(files.map(({ id }) => id)).toContain(wire()['training_file']);
    });
  });

  test('a pause pauses and a resumption resumes: neither of them cancels', async () => {
    await withJob(toInput(), options, async ({ fixture, provider, job, context }) => {
      const look = async (): Promise<string> => (await provider.training.observe(job, null, context)).status.phase;
      fixture.sandbox.step(jobMs * 0.3);
      expect(await look()).toBe('running');
      await provider.training.pause!(job, context);
      expect(await look()).toBe('paused');
      fixture.sandbox.step(jobMs * 10);
      expect(await look(), 'a paused job waits').toBe('paused');
      expect(await provider.training.resume!(job, context)).toMatchObject({ id: job.id });
      expect(await look()).toBe('running');
      fixture.sandbox.step(jobMs);
      expect(await look()).toBe('succeeded');
      const { used } = fixture.sandbox.account(canaryKey);
      expect(used).toMatchObject({ pause: 1, resume: 1 });
      expect(used.cancel).toBeUndefined();
    });
  });

  test.each(['Stopping', 'CANCELLING', 'cancelling', 'cancel_requested', 'EXPIRED', 'PAUSED', 'IDLE', 'EARLY_STOPPED', 'tomorrow'])(
    'an unknown word, "%s", is neither an end, nor a queue that is polled for ever',
    async (word) => {
      await using fixture = await startJob({ status: word }, service);
      const { status, failure, finishedAt, artifacts } = await fixture.look();
      expect({ status, failure, finishedAt, artifacts }).toEqual({
        status: { phase: 'unknown', raw: word },
        failure: null,
        finishedAt: null,
        artifacts: [],
      });
      const pauses = ['unknown', 'queued'].map((phase) => getNextPollMs({ ageMs: 60_000, phase, random: 0 }));
      expect(pauses[0]).toBeGreaterThan(10 * pauses[1]!);
    },
  );

  test('times are those of the service, in seconds or not, and a job that runs has no end', async () => {
    const at = Date.parse('2026-11-22T12:00:00Z');
    for (const unit of [1, 1000]) {
      await using fixture = await startJob({ created_at: (at / 1000) * unit, finished_at: null, estimated_finish: Number.NaN }, service);
      fixture.state.events = [{ ...toStepEvent(1, 0), created_at: (at / 1000 + 60) * unit }];
      expect(await fixture.look()).toMatchObject({
        startedAt: '2026-11-22T12:01:00.000Z',
        finishedAt: null,
        progress: { etaSeconds: null },
        metrics: [{ at: '2026-11-22T12:01:00.000Z' }],
      });
    }
  });

  test('a fault on the way to the service says nothing about the job', async () => {
    await withJob(toInput(), options, async ({ fixture, provider, job, context }) => {
      const { cursor } = await provider.training.observe(job, null, context);
      for (const type of ['500-before', 'drop-before', 'html', '429', 'cut'] as const) {
        const faults = Array.from({ length: 9 }, () => ({ type }));
        fixture.sandbox.setFaults({ get: faults, list: faults }, canaryKey);
        const asked = [
          provider.training.observe(job, cursor, context),
          provider.training.find({}, [], context),
          Array.fromAsync(provider.account!.jobs!(context)),
        ];
        const ends = await Promise.all(asked.map(async (asking) => await asking.catch((error: unknown) => error)));
        expect(
          ends.map((end) => isFailure(end)),
          type,
        ).toEqual([true, true, true]);
      }
      fixture.sandbox.setFaults({}, canaryKey);
      expect((await provider.training.observe(job, cursor, context)).status.phase).not.toBe('unknown');
    });
  });
});

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { Comparison } from '../../src/index.ts';
import { copyOldState, openOldState } from './old-state.ts';

/** The hour of the deployment is over. */
const later = (): Date => new Date('2026-12-01T00:00:00.000Z');

function getAccuracies([comparison]: readonly Comparison[]): Record<string, number | undefined> {
  return Object.fromEntries(comparison!.candidates.map(({ name, measures }) => [name, measures['accuracy']]));
}

interface OldRow {
  readonly state: string;
  readonly micro_dollars: number;
}

/** The charges of a job's answers. */
function readAnswerCharges(dir: string, job: string): (OldRow & { readonly id: string })[] {
  const database = new DatabaseSync(join(dir, 'state.db'));
  const rows = database.prepare("select * from charge where job = ? and purpose in ('evaluation', 'texts') order by at").all(job);
  database.close();
  return rows as unknown as (OldRow & { readonly id: string })[];
}

test('state of schema 1 opens: all runs with their states, metrics and deployment', async () => {
  const orchestrator = await openOldState(copyOldState(), later);
  const runs = await orchestrator.list(undefined, { look: 'never' });
  expect(Object.fromEntries(runs.map(({ id, status }) => [id, status.phase]))).toEqual({
    'refused/gpt': 'rejected',
    'unanswered/gpt': 'submitting',
    'ended/laptop': 'succeeded',
    'asked/gpt': 'attention',
    'paused/laptop': 'paused',
    'hosted/gpt': 'succeeded',
    'foundry/azure': 'succeeded',
    'hub/t4': 'succeeded',
    'half/gpt': 'succeeded',
    'going/gpt': 'running',
    'killed/laptop': 'running',
  });
  const byId = new Map(runs.map((run) => [run.id, run]));
  expect(byId.get('hosted/gpt')!.endsOn).toMatchObject({ date: expect.stringMatching(/^\d{4}-/) as string });
  expect(byId.get('going/gpt')!.observed).toMatchObject({ nextAt: '2026-11-30T05:38:06.244Z', error: null });
  expect(byId.get('ended/laptop')!.metrics).toMatchObject({
    'train/loss': { best: 0.673048178354899, bestStep: 5 },
    'train/learning_rate': { last: 0.00125, best: null, bestStep: null },
  });
  expect(byId.get('foundry/azure')!.deployment).toMatchObject({
    name: 'orchestrate-5xbd3lxbjijtzupw',
    isUp: true,
    usdPerHour: 1.7,
    overdue: true,
  });
  expect(await orchestrator.run('ended').metrics()).toHaveLength(64);
  expect(await orchestrator.run('ended').logs()).toHaveLength(12);
});

test('the ended runs compare with the same figures as in the version that wrote them', async () => {
  const orchestrator = await openOldState(copyOldState(), later);
  expect(getAccuracies(await orchestrator.compare('ended'))).toMatchObject({
    'most frequent label': 0.5,
    'untrained head': 0.5,
    laptop: 0.875,
  });
  expect(getAccuracies(await orchestrator.compare('hosted'))).toMatchObject({ plain: 0.375, gpt: 1 });
  expect(getAccuracies(await orchestrator.compare('hub'))).toMatchObject({ t4: 0.5 });
});

test('the charge of an evaluation that was killed is settled from its stored answers', async () => {
  const dir = copyOldState();
  const orchestrator = await openOldState(dir, later);
  expect(readAnswerCharges(dir, 'hosted').map(({ state, micro_dollars }) => [state, micro_dollars])).toEqual([
    ['spent', 474],
    ['spent', 60],
    ['spent', 30],
  ]);
  const [open] = readAnswerCharges(dir, 'half');
  expect(open).toMatchObject({
    id: '030c3692-9803-4a71-993c-a99a7c5e6c0b',
    purpose: 'evaluation',
    state: 'reserved',
    micro_dollars: 314,
    in_flight_micro_dollars: 79,
    lease_owner: 'process 20007 on old-state-host',
    lease_until: 0,
  });
  // Nobody answers at the address of the service, so that the evaluation itself fails.
  await expect(orchestrator.evaluate('half', { maxUsd: 1 })).rejects.toMatchObject({ code: 'service-unreachable' });
  expect(readAnswerCharges(dir, 'half')[0]).toMatchObject({ state: 'spent', micro_dollars: 198 });
});

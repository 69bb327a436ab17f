import { expect, test } from 'vitest';
import { terminalPhases } from '../../src/provider/status.ts';
import type { RunEvent } from '../../src/run/event.ts';
import { foldEvent, createRecord } from '../../src/run/record.ts';
import { isEnded, getNextState, transitions, type RunState } from '../../src/run/transitions.ts';
import { toMemoryPlan } from './memory-provider.ts';

const status = (phase: 'running' | 'succeeded'): RunEvent => ({
  type: 'status-changed',
  status: { phase, raw: 'word' },
  startedAt: null,
  finishedAt: null,
});

test.each([...terminalPhases, 'rejected' as const])('%s is an end: no status follows, nothing is submitted', (state) => {
  expect(isEnded(state)).toBe(true);
  expect(() => getNextState(state, status('running'))).toThrow(`a run that is ${state} cannot take`);
  for (const type of ['job-submitted', 'submission-intended', 'submission-prepared'] as const)
    expect(transitions[state][type]).toBeUndefined();
});

test('a job is submitted only from a stored intent', () => {
  const from = (Object.keys(transitions) as RunState[]).filter((state) => transitions[state]['job-submitted'] !== undefined);
  expect(from).toEqual(['submitting']);
  const intended = (Object.keys(transitions) as RunState[]).filter((state) => transitions[state]['submission-intended'] !== undefined);
  expect(intended).toEqual(['preparing']);
});

test('the fold keeps when a state began, and when the run ended', () => {
  const first = createRecord({ type: 'run-accepted', plan: toMemoryPlan(), number: 1 }, 'T1');
  const events: RunEvent[] = [
    { type: 'job-adopted', job: { provider: 'memory', id: '1', location: '', attempt: 1, createdAt: '', url: null } },
    status('running'),
    status('running'),
    status('succeeded'),
  ];
  const records = events.reduce((all, event, i) => [...all, foldEvent(all.at(-1)!, event, `T${i + 2}`)], [first]);
  expect(records.map(({ state, since }) => `${state} ${since}`)).toEqual([
    'accepted T1',
    'submitted T2',
    'running T3',
    'running T3',
    'succeeded T5',
  ]);
  expect(records.at(-1)!.times).toMatchObject({ created: 'T1', submitted: 'T2', finished: 'T5' });
});

import { expect, test } from 'vitest';
import { formatDeployment } from '../../src/cli/views/run-view.ts';

const deployment = {
  name: 'mine',
  isUp: true,
  since: '2026-11-29T12:00:00.000Z',
  until: '2026-11-29T13:59:00.000Z',
  usdPerHour: 1.7,
  usd: 3.4,
  overdue: false,
};

test.each([
  [{}, '12:17', 'as mine until 2026-11-29 13:59 UTC (1 h 42 min left); $1.70 an hour, $3.40 so far'],
  [{ isUp: false }, '13:58', 'not seen to answer yet, as mine until 2026-11-29 13:59 UTC (1 min 00 s left); $1.70 an hour, $3.40 so far'],
  [{ usdPerHour: 0, usd: 0 }, '12:59', 'as mine until 2026-11-29 13:59 UTC (1 h 00 min left); costs nothing'],
  [
    { overdue: true, usd: 6.8 },
    '15:59',
    'as mine until 2026-11-29 13:59 UTC (OVERDUE by 2 h 00 min: `npx orchestrate undeploy mood/azure` ends it); $1.70 an hour, $6.80 so far',
  ],
])('a deployment in words: %j at %s', (change, time, text) => {
  const run = { id: 'mood/azure', deployment: { ...deployment, ...change } };
  expect(formatDeployment(run, new Date(`2026-11-29T${time}:00Z`))).toBe(text);
});

test('a run without one has no such text', () => {
  expect(formatDeployment({ id: 'mood/azure', deployment: null }, new Date())).toBeNull();
});

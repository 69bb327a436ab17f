import { expect, test } from 'vitest';
import { toEndNotes, toRunEnd } from '../../src/run/end-of-service.ts';
import { toFirstRecord } from '../../src/run/fold.ts';
import { toMemoryPlan } from './memory-provider.ts';

const page = { date: '2027-01-14', source: 'example.org/deprecations', asOf: '2026-11-22' };

test.each([
  ['2026-10-16T00:00:00Z', page, 'its service ends this model on 2027-01-14, in 90 days (example.org/deprecations, as of 2026-11-22)'],
  ['2026-10-15T23:59:59Z', page, null],
  ['2027-01-13T12:00:00Z', page, 'its service ends this model on 2027-01-14, in 1 day (example.org/deprecations, as of 2026-11-22)'],
  ['2027-01-14T00:00:00Z', page, 'its service ended this model on 2027-01-14 (example.org/deprecations, as of 2026-11-22)'],
  [
    '2027-02-21T00:00:00Z',
    page,
    'its service ended this model on 2027-01-14 (example.org/deprecations, as of 2026-11-22); that was read 91 days ago and may have changed',
  ],
  [
    '2027-02-21T00:00:00Z',
    { ...page, date: '2028-01-01' },
    'its service ends this model on 2028-01-01 (example.org/deprecations, as of 2026-11-22); that was read 91 days ago and may have changed',
  ],
  ['2027-02-20T00:00:00Z', { ...page, date: '2028-01-01' }, null],
  [
    '2027-01-01T00:00:00Z',
    { date: '2027-01-14', source: 'shutdown_date of GET /models', asOf: null },
    'its service ends this model on 2027-01-14, in 13 days (shutdown_date of GET /models)',
  ],
  ['2030-01-01T00:00:00Z', null, null],
])('at %s', (now, end, message) => {
  expect(toEndNotes(end, new Date(now))).toEqual(message === null ? [] : [{ type: 'warning', message }]);
});

test('the end of a run is that of its tuned model, else of its base', () => {
  const toEnd = (model: string): typeof page => ({ ...page, source: model });
  const plan = toMemoryPlan();
  const record = toFirstRecord({ type: 'run-accepted', plan, number: 1 }, '2026-01-01T00:00:00.000Z');
  const model = { kind: 'endpoint', identity: 'a', place: 'a', name: 'tuned', base: 'base' } as const;
  expect(toRunEnd({ toEnd }, record)).toMatchObject({ source: plan.model.base });
  expect(toRunEnd({ toEnd }, { ...record, artifacts: [{ kind: 'endpoint', uri: 'a', sha256: null, model }] })).toMatchObject({
    source: 'tuned',
  });
  expect(toRunEnd({}, record)).toBeNull();
});

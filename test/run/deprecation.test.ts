import { expect, test } from 'vitest';
import { formatDeprecationNotes } from '../../src/run/deprecation.ts';

const page = { date: '2027-01-14', source: 'example.org/deprecations', asOf: '2026-11-22' };

test.each([
  [
    '2026-10-16T00:00:00Z',
    page,
    'the service shuts down this model on 2027-01-14, in 90 days (example.org/deprecations, as of 2026-11-22)',
  ],
  ['2026-10-15T23:59:59Z', page, null],
  ['2027-01-13T12:00:00Z', page, 'the service shuts down this model on 2027-01-14, in 1 day (example.org/deprecations, as of 2026-11-22)'],
  ['2027-01-14T00:00:00Z', page, 'the service shut down this model on 2027-01-14 (example.org/deprecations, as of 2026-11-22)'],
  [
    '2027-02-21T00:00:00Z',
    page,
    'the service shut down this model on 2027-01-14 (example.org/deprecations, as of 2026-11-22); this information is 91 days old and may have changed',
  ],
  [
    '2027-02-21T00:00:00Z',
    { ...page, date: '2028-01-01' },
    'the service shuts down this model on 2028-01-01 (example.org/deprecations, as of 2026-11-22); this information is 91 days old and may have changed',
  ],
  ['2027-02-20T00:00:00Z', { ...page, date: '2028-01-01' }, null],
  [
    '2027-01-01T00:00:00Z',
    { date: '2027-01-14', source: 'shutdown_date of GET /models', asOf: null },
    'the service shuts down this model on 2027-01-14, in 13 days (shutdown_date of GET /models)',
  ],
  ['2030-01-01T00:00:00Z', null, null],
])('at %s', (now, end, message) => {
  expect(formatDeprecationNotes(end, new Date(now))).toEqual(message === null ? [] : [{ type: 'warning', message }]);
});

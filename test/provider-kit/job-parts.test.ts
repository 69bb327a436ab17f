import { expect, test } from 'vitest';
import { EventList, toEventLog, toTimedEvents } from '../../src/provider-kit/job-events.ts';
import { observeParts, startParts, type JobParts } from '../../src/provider-kit/job-parts.ts';
import { noSteps, parseStepRows, takeNewMetrics } from '../../src/provider-kit/step-metrics.ts';

const at = '2026-11-30T10:00:00.000Z';
const rows = [
  { 'train/loss': 0.9, 'train/global_step': 1, 'train/epoch': 0.5, 'train/timestamp': 7 },
  { 'train/loss': 0.5, 'train/global_step': 2 },
  { 'eval/loss': 0.6, 'train/global_step': 2, custom: 3, bad: Number.NaN },
  { 'train/loss': 1 },
];

test('a row of numbers is a metric each, where it names its step', () => {
  expect(parseStepRows(rows, at)).toMatchObject([
    { name: 'loss', split: 'train', step: 1, epoch: 0.5, value: 0.9, coverage: 'batch' },
    { name: 'loss', split: 'train', step: 2, value: 0.5 },
    { name: 'loss', split: 'validation', step: 2, value: 0.6, coverage: 'full' },
    { name: 'x/custom', split: 'train', step: 2, value: 3, coverage: 'unreported' },
  ]);
});

test('a metric is reported once, also a late one of the last step', () => {
  const first = takeNewMetrics(parseStepRows(rows.slice(0, 2), at), noSteps);
  expect(first.metrics).toHaveLength(2);
  const second = takeNewMetrics(parseStepRows(rows.slice(1), at), first.seen);
  expect(second.metrics.map(({ name, split }) => `${split} ${name}`)).toEqual(['validation loss', 'train x/custom']);
  expect(takeNewMetrics(parseStepRows(rows.slice(1), at), second.seen)).toEqual({ metrics: [], seen: second.seen });
});

test('events come in the order of their times, whatever they lack', () => {
  const events = toTimedEvents(
    EventList.parse({
      data: [
        { created_at: '2026-11-30T10:00:02Z', type: 'JOB_ERROR', level: 'error', message: 'no' },
        { created_at: 'soon', message: 'nowhere' },
        { created_at: '2026-11-30T10:00:01Z', level: 7, total_steps: 4, message: 'begun' },
      ],
    }),
  );
  expect(events).toMatchObject([
    { type: '', level: null, steps: 4 },
    { type: 'job_error', steps: null },
  ]);
  expect(events.map((event) => toEventLog(event).text)).toEqual(['begun', 'error: no']);
});

const parts: JobParts = {
  job: 'a',
  phase: 'succeeded',
  raw: 'completed',
  rows,
  at,
  checkpoints: [2, 1],
  epochs: 2,
  etaSeconds: null,
  model: 'tuned',
  events: [{ at, type: '', level: null, message: 'begun', steps: 4 }],
};

test('a look at a job reports what is new, and its model once', () => {
  const first = observeParts(parts, startParts('a', null));
  expect(first).toMatchObject({ newModel: 'tuned', checkpoint: 2, progress: { step: 2, steps: 4, epoch: 1, loss: 0.5 } });
  expect(first.logs).toHaveLength(1);
  const second = observeParts({ ...parts, rows: rows.slice(1) }, startParts('a', first.cursor));
  expect(second).toMatchObject({ newModel: null, metrics: [], logs: [], cursor: first.cursor });
  expect(startParts('b', first.cursor)).toMatchObject({ job: 'b', events: 0, step: null });
});

test('a success without its model is no end yet', () => {
  const look = observeParts({ ...parts, model: null }, startParts('a', null));
  expect(look).toMatchObject({ status: { phase: 'finalizing', raw: 'completed' }, newModel: null, cursor: { hasModel: false } });
});

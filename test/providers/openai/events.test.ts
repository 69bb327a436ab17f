import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noEvents, readEvents, toLog, type EventsSeen } from '../../../providers/openai/events.ts';
import { openaiDialect } from '../../../providers/openai/openai.ts';
import { createdAt } from './answering-server.ts';
import { createAnsweredFixture, toStepEvent, type AnsweredFixture } from './answered-job.ts';

async function read({ server }: AnsweredFixture, seen: EventsSeen): Promise<{ ids: string[]; seen: EventsSeen }> {
  const stored = JSON.parse(JSON.stringify(seen)) as EventsSeen;
  const found = await readEvents(openaiDialect, { job: 'ftjob-1', seen: stored }, server.toContext());
  return { ids: found.events.map(({ id }) => id), seen: found.seen };
}

/** Between looks (`look`) and between pages (`page`) events arrive, some of them in the same second. */
const arrivals = fc.array(
  fc.record({ at: fc.constantFrom('look', 'page'), count: fc.integer({ min: 1, max: 9 }), seconds: fc.integer({ min: 0, max: 9 }) }),
  {
    maxLength: 12,
  },
);

test('every event is handed on once and in order, whatever arrives while the pages are read', async () => {
  await using fixture = await createAnsweredFixture();
  const { told } = fixture;
  await fc.assert(
    fc.asyncProperty(arrivals, fc.integer({ min: 1, max: 6 }), fc.boolean(), async (plan, pageSize, isShuffled) => {
      const waiting = [...plan];
      let time = createdAt;
      let count = 0;
      const arrive = ({ count: more, seconds }: { count: number; seconds: number }): void => {
        time += seconds;
        for (let i = 0; i < more; i++) told.events.unshift({ id: `e${count++}`, created_at: time, message: 'm' });
        // Events of one second stand in any order, the newest arrivals below older ones too.
        if (isShuffled)
          told.events.sort((a, b) => Number(b['created_at']) - Number(a['created_at']) || (String(a['id']) < String(b['id']) ? -1 : 1));
      };
      told.events = [];
      told.pageSize = pageSize;
      told.afterPage = () => {
        if (waiting[0]?.at === 'page') arrive(waiting.shift()!);
      };
      const handed: string[] = [];
      let seen = noEvents;
      for (let looks = 0; looks < 40; looks++) {
        if (waiting[0]?.at === 'look') arrive(waiting.shift()!);
        const found = await read(fixture, seen);
        handed.push(...found.ids);
        seen = found.seen;
        if (waiting.length === 0 && looks > 0 && found.ids.length === 0) break;
      }
      const all = told.events.map(({ id }) => String(id)).reverse();
      expect([...handed].sort()).toEqual([...all].sort());
      // Within a second that has no order there is none to keep.
      expect(isShuffled || isDeepStrictEqual(handed, all), handed.join(' ')).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('an event that is listed a little later than younger ones is found', async () => {
  await using fixture = await createAnsweredFixture();
  fixture.told.events = [toStepEvent(9, 9), toStepEvent(2, 2)];
  const { seen } = await read(fixture, noEvents);
  fixture.told.events.splice(1, 0, toStepEvent(5, 5));
  expect((await read(fixture, seen)).ids).toEqual(['ftevent-5']);
});

test('a first look finds hundreds', async () => {
  await using fixture = await createAnsweredFixture();
  fixture.told.events = Array.from({ length: 350 }, (_, i) => toStepEvent(350 - i, 350 - i));
  const { ids, seen } = await read(fixture, noEvents);
  expect(ids).toEqual(Array.from({ length: 350 }, (_, i) => `ftevent-${i + 1}`));
  expect(fixture.server.asked).toHaveLength(4);
  expect(seen.ids.length).toBeLessThan(10);
  expect((await read(fixture, seen)).ids).toEqual([]);
  expect(fixture.server.asked, 'one page is enough where nothing is new').toHaveLength(5);
});

test('a service that ignores `after` does not keep the reader for ever', async () => {
  await using fixture = await createAnsweredFixture();
  Object.assign(fixture.told, { ignoresAfter: true, pageSize: 2, events: [3, 2, 1].map((step) => toStepEvent(step, step)) });
  expect((await read(fixture, noEvents)).ids).toEqual(['ftevent-2', 'ftevent-3']);
});

test.each([
  ['the job itself', { id: 'ftjob-1', status: 'running' }],
  ['no JSON', '<html>'],
  ['items without an id', { data: [{}, null, 3], has_more: true }],
])('a list that is %s has no events', async (_, answer) => {
  await using fixture = await createAnsweredFixture();
  const context = fixture.server.toContext();
  const answering = {
    ...openaiDialect,
    openClient: async () => await Promise.resolve({ get: async () => await Promise.resolve(answer) } as never),
  };
  expect(await readEvents(answering, { job: 'ftjob-1', seen: noEvents }, context)).toEqual({ events: [], seen: noEvents });
});

test('the log keeps level and time', () => {
  const event = { id: 'e', at: '2026-11-22T12:00:00.000Z', step: null, steps: null, numbers: {}, message: 'slow' };
  expect(toLog({ ...event, level: 'warn' })).toEqual({ at: event.at, text: 'warn: slow' });
  expect(toLog({ ...event, level: 'info' })).toEqual({ at: event.at, text: 'slow' });
});

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openai } from '../../../providers/openai/index.ts';
import { createApi } from '../../../providers/openai-compatible/client.ts';
import { noEvents, readEvents, type SeenEvents } from '../../../providers/openai-compatible/history.ts';
import type { OpenAICursor } from '../../../providers/openai-compatible/observe.ts';
import type { Observation } from '../../../src/provider/job.ts';
import { configs, createdAt } from './fixture.ts';
import { startJob, startService, toJobRef, toStepEvent, type JobFixture } from './service.ts';

const api = createApi(configs.openai);

/** The messages of the new events, which these tests set to their ids. */
async function read({ service }: JobFixture, seen: SeenEvents): Promise<{ ids: string[]; seen: SeenEvents }> {
  const stored = JSON.parse(JSON.stringify(seen)) as SeenEvents;
  const found = await readEvents(api, { job: 'ftjob-1', seen: stored }, service.createContext());
  return { ids: found.events.map(({ message }) => message), seen: found.seen };
}

const toEvent = (id: string, seconds: number): Record<string, unknown> => ({ id, created_at: createdAt + seconds, message: id });

/** Between looks (`look`) and between pages (`page`) events arrive, some of them in the same second. */
const arrivals = fc.array(
  fc.record({ at: fc.constantFrom('look', 'page'), count: fc.integer({ min: 1, max: 9 }), seconds: fc.integer({ min: 0, max: 9 }) }),
  {
    maxLength: 12,
  },
);

test('every event is handed on once and in order, whatever arrives while the pages are read', async () => {
  await using fixture = await startJob();
  const { state } = fixture;
  await fc.assert(
    fc.asyncProperty(arrivals, fc.integer({ min: 1, max: 6 }), fc.boolean(), async (plan, pageSize, isShuffled) => {
      const waiting = [...plan];
      let time = createdAt;
      let count = 0;
      const arrive = ({ count: more, seconds }: { count: number; seconds: number }): void => {
        time += seconds;
        for (let i = 0; i < more; i++) state.events.unshift({ ...toEvent(`e${count++}`, 0), created_at: time });
        // Events of one second stand in any order, the newest arrivals below older ones too.
        if (isShuffled)
          state.events.sort((a, b) => Number(b['created_at']) - Number(a['created_at']) || (String(a['id']) < String(b['id']) ? -1 : 1));
      };
      state.events = [];
      state.pageSize = pageSize;
      state.afterPage = () => {
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
      const all = state.events.map(({ id }) => String(id)).reverse();
      expect([...handed].sort()).toEqual([...all].sort());
      // Within a second that has no order there is none to keep.
      expect(isShuffled || isDeepStrictEqual(handed, all), handed.join(' ')).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('an event that is listed a little later than younger ones is found', async () => {
  await using fixture = await startJob();
  fixture.state.events = [toEvent('e9', 9), toEvent('e2', 2)];
  const { seen } = await read(fixture, noEvents);
  fixture.state.events.splice(1, 0, toEvent('e5', 5));
  expect((await read(fixture, seen)).ids).toEqual(['e5']);
});

test('a first look finds hundreds', async () => {
  await using fixture = await startJob();
  fixture.state.events = Array.from({ length: 350 }, (_, i) => toEvent(`e${350 - i}`, 350 - i));
  const countPages = (): number => fixture.service.requests.filter(({ path }) => path.endsWith('/events')).length;
  const { ids, seen } = await read(fixture, noEvents);
  expect(ids).toEqual(Array.from({ length: 350 }, (_, i) => `e${i + 1}`));
  expect(countPages()).toBe(4);
  expect(seen.ids.length).toBeLessThan(10);
  expect((await read(fixture, seen)).ids).toEqual([]);
  expect(countPages(), 'one page is enough where nothing is new').toBe(5);
});

test('a service that ignores `after` does not keep the reader for ever', async () => {
  await using fixture = await startJob();
  Object.assign(fixture.state, { ignoresAfter: true, pageSize: 2, events: [3, 2, 1].map((i) => toEvent(`e${i}`, i)) });
  expect((await read(fixture, noEvents)).ids).toEqual(['e2', 'e3']);
});

test.each([
  ['the job itself', { id: 'ftjob-1', status: 'running' }],
  ['no JSON', '<html>'],
  ['items without an id', { data: [{}, null, 3], has_more: true }],
])('a list that is %s has no events', async (_, answer) => {
  await using service = await startService(({ path }) => ({
    body: path.endsWith('/events') ? answer : { id: 'ftjob-1', status: 'running', model: 'm' },
  }));
  const seen = (await openai.training.observe(toJobRef(service), null, service.createContext())) as Observation<OpenAICursor>;
  expect([seen.logs, seen.cursor.events]).toEqual([[], { at: null, ids: [] }]);
});

test('the log keeps level and time', async () => {
  await using fixture = await startJob();
  fixture.state.events = [
    { ...toEvent('slow', 1), level: 'warn' },
    { ...toStepEvent(1, 0), message: 'step' },
  ];
  expect((await fixture.look()).logs).toEqual([
    { at: '2026-11-22T12:00:00.000Z', text: 'step' },
    { at: '2026-11-22T12:00:01.000Z', text: 'warn: slow' },
  ]);
});

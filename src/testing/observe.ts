import { expectEqual, expectFailureData, expectIsoTime, expectJson, expectThat, inEnvironment, createTest, toStored } from './checks.ts';
import type { Life, Look } from './life.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import { makeReady } from './ready.ts';
import { getMetricKey, metricOrigins, type Metric } from '../provider/metric.ts';
import { terminalPhases, type TerminalPhase } from '../provider/status.ts';

type Lives = (end: TerminalPhase) => Promise<Life>;

/** What `observe` promises, held against a job's life to each end that the subject can bring about. */
export function createObserveTests<World extends ConformanceEnvironment>(
  subject: ConformanceTarget<World>,
  lives: Lives,
): ConformanceTest[] {
  const { provider } = subject;
  const ends = terminalPhases.filter((end) => subject.ends[end] !== undefined);
  const lacks = (end: TerminalPhase): string | null => (subject.ends[end] === undefined ? `way to the end "${end}"` : null);
  const lacksEnds = ends.length === 0 ? 'way to any end' : null;
  const inEachLife = (check: (life: Life) => void) => async () => {
    for (const end of ends) check(await lives(end));
  };
  return [
    ...terminalPhases.map((end) =>
      createTest(`the end "${end}" is seen`, lacks(end), async () => {
        const { looks } = await lives(end);
        expectEqual(`the last phase of a job that is ${end}`, looks.at(-1)!.status.phase, end);
      }),
    ),
    createTest('looks from cursor to cursor bring all that one look brings', lacksEnds, inEachLife(checkWhole)),
    createTest('a look at an old cursor brings what came after it, and at the last one nothing', lacksEnds, inEachLife(checkReplays)),
    createTest('a look reports no measurement twice from one origin', lacksEnds, inEachLife(checkMetrics)),
    createTest('an observation is JSON with times in UTC and a next look', lacksEnds, inEachLife(checkPlain)),
    createTest(
      'a look changes nothing',
      lacksEnds ?? (subject.snapshot === undefined ? 'snapshot' : null),
      inEachLife(({ before, after }) => expectEqual('the world after looks', after, before)),
    ),
    createTest(
      'a status word stands for its phase',
      lacksEnds,
      inEachLife((life) => checkWords(life, provider.statusMap)),
    ),
    createTest('a word that is not listed is unknown, which is no end', subject.say === undefined ? 'say' : null, async () => {
      await inEnvironment(subject, async (environment) => await checkUnknownWords(subject, environment));
    }),
    createTest('a job that has succeeded has an artifact', lacks('succeeded'), async () => {
      const { looks } = await lives('succeeded');
      const artifacts = looks.flatMap((seen) => seen.artifacts);
      expectThat(artifacts.length > 0, 'the artifacts of a job that succeeded', 'at least one, with or before its end', artifacts);
    }),
    createTest('a job that has failed says why', lacks('failed'), async () => {
      const { looks } = await lives('failed');
      const failures = looks.flatMap(({ failure }) => failure ?? []);
      expectThat(failures.length > 0, 'the failure of a job that failed', 'one, with its end', null);
      for (const failure of failures) expectFailureData('the failure of a job that failed', failure);
    }),
  ];
}

const increments = ['logs', 'artifacts', 'notes'] as const;

function expectIncrements(what: string, found: Look, looks: readonly Look[]): void {
  const reported = looks.flatMap(({ metrics }) => metrics);
  expectEqual(`metrics of ${what}, as they are stored`, keepBestValues(found.metrics), keepBestValues(reported));
  for (const kind of increments)
    expectEqual(
      `${kind} of ${what}`,
      found[kind],
      looks.flatMap((seen) => seen[kind] as unknown[]),
    );
}

function checkWhole({ end, looks, replays }: Life): void {
  expectIncrements(`one look at a job that is ${end}, beside ${looks.length} looks`, replays[0]!, looks);
  expectEqual('the status of one look', replays[0]!.status, looks.at(-1)!.status);
}

function checkReplays({ end, looks, replays }: Life): void {
  for (const [i, replay] of replays.entries()) {
    if (i === 0) continue; // without a cursor: another law's
    expectIncrements(`the look at cursor ${i} of ${looks.length}, of a job that is ${end}`, replay, looks.slice(i));
    expectEqual(`the phase at cursor ${i}, after the end`, replay.status.phase, looks.at(-1)!.status.phase);
  }
}

function checkMetrics({ looks, replays }: Life): void {
  for (const { metrics } of [...looks, ...replays]) {
    const seen = new Set<string>();
    for (const metric of metrics) {
      const key = `${getMetricKey(metric)} from ${metric.origin ?? 'event'}`;
      expectThat(!seen.has(key), 'the metrics of a look', `one of ${key}`, metric);
      seen.add(key);
    }
  }
}

/**
 * The value of each measurement as it is stored. Metrics may be reported more than once: the report with the best origin is kept, and the
 * newest of these. A better report may be gone at a later look, so that its origin is not compared.
 */
function keepBestValues(metrics: readonly Metric[]): Readonly<Record<string, number>> {
  const getRank = ({ origin = 'event' }: Metric): number => metricOrigins.indexOf(origin);
  const best = new Map<string, Metric>();
  for (const metric of metrics) {
    const key = getMetricKey(metric);
    const before = best.get(key);
    if (before === undefined || getRank(metric) >= getRank(before)) best.set(key, metric);
  }
  const values = [...best].map(([key, { value }]) => [key, value] as const);
  return Object.fromEntries(values.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkPlain({ looks, replays }: Life): void {
  for (const seen of [...looks, ...replays]) {
    expectJson('observe', seen);
    expectThat(seen.nextInMs === null || seen.nextInMs > 0, 'nextInMs', 'null, or milliseconds, more than 0', seen.nextInMs);
    const times = [...seen.metrics.map(({ at }) => at), ...seen.logs.map(({ at }) => at), seen.startedAt ?? [], seen.finishedAt ?? []];
    for (const time of times.flat()) expectIsoTime('a time of observe', time);
  }
}

function checkWords({ looks, replays }: Life, statusMap: Readonly<Record<string, string>>): void {
  for (const { status } of [...looks, ...replays]) {
    const expected = Object.hasOwn(statusMap, status.raw) ? statusMap[status.raw] : 'unknown';
    expectEqual(`the phase of the word "${status.raw}"`, status.phase, expected);
  }
}

/** The second and the third every object has, whatever its author listed. */
const unlisted = ['a-word-of-tomorrow', 'constructor', '__proto__', ''];

async function checkUnknownWords<World extends ConformanceEnvironment>(
  subject: ConformanceTarget<World>,
  environment: World,
): Promise<void> {
  const { wire, context } = await makeReady(environment, subject.inputs.base);
  const job = await environment.provider.training.create(wire, context);
  let cursor: unknown = null;
  for (const word of unlisted) {
    await subject.say!(environment, job, word);
    const seen = await environment.provider.training.observe(job, cursor, context);
    expectEqual(`the status of a job whose service says "${word}"`, seen.status, { phase: 'unknown', raw: word });
    cursor = toStored(seen.cursor);
  }
}

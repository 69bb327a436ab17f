import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { getMetricKey, metricOrigins, type Metric } from '../provider/metric.ts';
import { terminalPhases, type TerminalPhase } from '../provider/status.ts';
import { assertEqual, assertFailureData, assertIsoTime, assertJson } from './assertions.ts';
import { copyStored, createTest, inEnvironment, prepareAttempt, type AnyObservation, type JobHistory } from './environment.ts';
import type { ConformanceEnvironment, ConformanceTarget, ConformanceTest } from './target.ts';

/** What `observe` promises, checked against the history of a job to each end that the target can bring about. */
export function createObserveTests<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
  getHistory: (end: TerminalPhase) => Promise<JobHistory>,
): ConformanceTest[] {
  const { statusMap } = target.provider;
  const ends = terminalPhases.filter((end) => target.ends[end] !== undefined);
  const lacks = (end: TerminalPhase): string | null => (ends.includes(end) ? null : `way to the end "${end}"`);
  const lacksEnds = ends.length === 0 ? 'way to any end' : null;
  const createForEach = (name: string, check: (history: JobHistory) => void, lacking = lacksEnds): ConformanceTest =>
    createTest(name, lacking, async () => {
      for (const end of ends) check(await getHistory(end));
    });
  return [
    ...terminalPhases.map((end) =>
      createTest(`the end "${end}" is seen`, lacks(end), async () => {
        const { observations } = await getHistory(end);
        assertEqual(`the last phase of a job that is ${end}`, observations.at(-1)!.status.phase, end);
      }),
    ),
    createForEach('observations from cursor to cursor bring all that a single one brings', checkWhole),
    createForEach('an observation at an old cursor brings what came after it, and at the last one nothing', checkReplays),
    createForEach('an observation reports no measurement twice from one origin', checkMetrics),
    createForEach('an observation is JSON with times in UTC and a time for the next one', checkPlain),
    createForEach(
      'observing changes nothing',
      ({ before, after }) => assertEqual('the service after observations', after, before),
      lacksEnds ?? (target.snapshot === undefined ? 'snapshot' : null),
    ),
    createForEach('the phase of a status word is that of the status map', (history) => checkWords(history, statusMap)),
    createTest(
      'a status word that is not in the status map is unknown, which is no end',
      target.say === undefined ? 'say' : null,
      async () => {
        await inEnvironment(target, async (environment) => await checkUnknownWords(target, environment));
      },
    ),
    createTest('a job that has succeeded has an artifact', lacks('succeeded'), async () => {
      const artifacts = (await getHistory('succeeded')).observations.flatMap((observation) => observation.artifacts);
      assert.ok(artifacts.length > 0, 'expected an artifact with or before the end of a job that succeeded, found none');
    }),
    createTest('a job that has failed says why', lacks('failed'), async () => {
      const failures = (await getHistory('failed')).observations.flatMap(({ failure }) => failure ?? []);
      assert.ok(failures.length > 0, 'expected a failure with the end of a job that failed, found none');
      for (const failure of failures) assertFailureData('the failure of a job that failed', failure);
    }),
  ];
}

function checkIncrements(what: string, found: AnyObservation, observations: readonly AnyObservation[]): void {
  const reported = observations.flatMap(({ metrics }) => metrics);
  assertEqual(`metrics of ${what}, as they are stored`, keepBestValues(found.metrics), keepBestValues(reported));
  for (const kind of ['logs', 'artifacts', 'notes'] as const) {
    const expected = observations.flatMap((observation) => observation[kind] as unknown[]);
    assertEqual(`${kind} of ${what}`, found[kind], expected);
  }
}

function checkWhole({ end, observations, replays }: JobHistory): void {
  checkIncrements(`one observation of a job that is ${end}, beside ${observations.length}`, replays[0]!, observations);
  assertEqual('the status of one observation', replays[0]!.status, observations.at(-1)!.status);
}

function checkReplays({ end, observations, replays }: JobHistory): void {
  for (const [i, replay] of replays.entries()) {
    if (i === 0) continue; // without a cursor: another test's
    checkIncrements(`the observation at cursor ${i} of ${observations.length}, of a job that is ${end}`, replay, observations.slice(i));
    assertEqual(`the phase at cursor ${i}, after the end`, replay.status.phase, observations.at(-1)!.status.phase);
  }
}

function checkMetrics({ observations, replays }: JobHistory): void {
  for (const { metrics } of [...observations, ...replays]) {
    const seen = new Set<string>();
    for (const metric of metrics) {
      const key = `${getMetricKey(metric)} from ${metric.origin ?? 'event'}`;
      assert.ok(!seen.has(key), `metrics: expected "${key}" once, found it again`);
      seen.add(key);
    }
  }
}

/**
 * The value of each measurement as it is stored. Metrics may be reported more than once: the report with the best origin is kept, and the
 * newest of these. A later observation may lack the better report, so that origins are not compared.
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

function checkPlain({ observations, replays }: JobHistory): void {
  for (const observation of [...observations, ...replays]) {
    assertJson('observe', observation);
    const { nextInMs, metrics, logs, startedAt, finishedAt } = observation;
    assert.ok(nextInMs === null || nextInMs > 0, `nextInMs: expected null, or milliseconds, more than 0, found ${nextInMs}`);
    const times = [...metrics, ...logs].map(({ at }) => at);
    for (const time of [...times, startedAt ?? [], finishedAt ?? []].flat()) assertIsoTime('a time of observe', time);
  }
}

function checkWords({ observations, replays }: JobHistory, statusMap: Readonly<Record<string, string>>): void {
  for (const { status } of [...observations, ...replays]) {
    const expected = Object.hasOwn(statusMap, status.raw) ? statusMap[status.raw] : 'unknown';
    assertEqual(`the phase of the word "${status.raw}"`, status.phase, expected);
  }
}

/** Every object has the second and the third, whatever its author listed. */
const unlistedWords = ['a-word-of-tomorrow', 'constructor', '__proto__', ''];

async function checkUnknownWords<Environment extends ConformanceEnvironment>(
  { inputs, say }: ConformanceTarget<Environment>,
  environment: Environment,
): Promise<void> {
  const { training } = environment.provider;
  const { wire, context } = await prepareAttempt(environment, inputs.base);
  const job = await training.create(wire, context);
  let cursor: unknown = null;
  for (const word of unlistedWords) {
    await say!(environment, job, word);
    const observation = await training.observe(job, cursor, context);
    assertEqual(`the status of a job whose service says ${inspect(word)}`, observation.status, { phase: 'unknown', raw: word });
    cursor = copyStored(observation.cursor);
  }
}

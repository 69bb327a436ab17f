import { expect, test } from 'vitest';
import { getOutcome } from '../../src/cli/cli.ts';
import { formatSizes } from '../../src/cli/views/account-view.ts';
import { formatComparison } from '../../src/cli/views/comparison-view.ts';
import { formatAge, formatSeconds } from '../../src/cli/views/format.ts';
import { formatBudget, formatPlan } from '../../src/cli/views/plan-view.ts';
import { createProgressLog, formatOldestLook, formatProgress, formatRunPage, formatRunTable } from '../../src/cli/views/run-view.ts';
import { buildComparison } from '../../src/evaluate/comparison.ts';
import type { Progress } from '../../src/provider/job.ts';
import { foldEvent, createRecord } from '../../src/run/record.ts';
import type { LastPoll } from '../../src/run/run-store.ts';
import { toRunView, type RunView } from '../../src/run/run-view.ts';
import { toMemoryPlan } from '../run/memory-provider.ts';

const now = new Date('2026-01-01T00:01:00.000Z');

function toRunning(step: number, change: Partial<RunView> = {}, odd: Partial<Progress> = {}): RunView {
  const first = createRecord({ type: 'run-accepted', plan: toMemoryPlan(), number: 1 }, '2026-01-01T00:00:00.000Z');
  const job = { provider: 'memory', id: '1', location: '', attempt: 1, createdAt: '', url: null };
  const submitted = foldEvent(first, { type: 'job-adopted', job }, '2026-01-01T00:00:01.000Z');
  const record = foldEvent(
    submitted,
    { type: 'status-changed', status: { phase: 'running', raw: 'training' }, startedAt: '2026-01-01T00:00:02.000Z', finishedAt: null },
    '2026-01-01T00:00:02.000Z',
  );
  const progress = { step, steps: 40, epoch: 1, etaSeconds: 75, rowsPerSecond: 1234.5, loss: 0.5, ...odd };
  const lastPoll: LastPoll = { cursor: null, progress, at: '2026-01-01T00:00:55.000Z', error: null, failedPolls: null, nextPollAt: null };
  return { ...toRunView({ key: 'k'.repeat(32), version: 3, record, lastPoll, metrics: {} }, now), ...change };
}

test('a training run is a bar with step, loss, rate and time left', () => {
  expect(formatProgress(toRunning(10), 200)).toBe('job/a  ██████░░░░░░░░░░░░░░░░░░  step 10/40  loss 0.500  1,235 rows/s  1 min 15 s left');
});

test.each([
  [500, 9, '████████████████████████'],
  [Number.MAX_SAFE_INTEGER, 1, '████████████████████████'],
  [5, 0, null],
  [5, -9, null],
  [-5, 9, null],
])('step %i of %i, as an older version may have stored it, breaks no bar', (step, steps, bar) => {
  const run = toRunning(1, {}, { step, steps });
  expect(formatProgress(run, 200)).toContain(bar ?? 'job/a  running');
  expect(formatProgress(run, 20)).not.toBe('');
});

test('a log gets a line for each tenth and each change, and no more', () => {
  const lines: string[] = [];
  const log = createProgressLog((line) => lines.push(line));
  for (let step = 1; step <= 40; step++) log([toRunning(step)]);
  expect(lines).toHaveLength(11);
  log([toRunning(40, { terminal: true, status: { phase: 'succeeded', raw: 'done', since: '' } })]);
  expect(lines.at(-1)).toBe('job/a  succeeded');
});

test('the list has one line a run', () => {
  expect(formatRunTable([toRunning(10)], now)).toBe(
    ['RUN    STATUS   STEP   PROVIDER  MODEL  AGE', 'job/a  running  10/40  memory    model  1m'].join('\n'),
  );
});

test('the page ends with what to type next, and foreign text cannot write to the terminal', () => {
  const failure = { code: 'unexpected', cause: 'program', message: 'bad \u001b[2J news', hint: null, retryable: false } as const;
  const page = formatRunPage(toRunning(10, { failure, notes: [{ type: 'warning', message: '\u202etxt' }] }), now);
  expect(page).toContain('failed: bad \\x1b[2J news');
  expect(page).toContain('note: \\u{202e}txt');
  expect(page.split('\n').at(-1)).toBe('  next: npx orchestrate wait job/a');
});

const scoring = { rows: 2, maxTokens: null, problem: null };

const quote = { currency: 'USD', low: 1.2, high: 2.4, source: 'list prices', asOf: '2026-01-01', trainingTokens: 12_345 } as const;

test.each([
  [null, `  cost      price unknown: set ORCHESTRATE_PRICES='{"model": {"training": …}}', in US dollars per 1M tokens`],
  [{ ...quote, low: 0, high: 0, source: 'this machine', asOf: null }, '  cost      nothing (this machine)'],
  [quote, '  cost      $1.20 to $2.40 (list prices, of 2026-01-01)'],
  [{ ...quote, low: 2.4, asOf: null, source: '\u001b[2J' }, '  cost      $2.40 (\\x1b[2J)'],
])('the plan tells the price %#', (price, line) => {
  const lines = formatPlan({ plan: { ...toMemoryPlan(), quote: price }, scoring, requests: null }, now).split('\n');
  expect(lines).toContain(line);
  expect(lines.includes('  tokens    12,345 in one pass over the training rows')).toBe(price !== null);
});

test.each([
  [30, true],
  [91, false],
])('the deprecation of a service in %i days stands in the plan and on the page: %s', (days, isTold) => {
  const date = new Date(now.getTime() + days * 86_400_000).toISOString().slice(0, 10);
  const deprecation = { date, source: 'a page', asOf: null };
  const message = `the service shuts down this model on ${date}`;
  expect(formatPlan({ plan: { ...toMemoryPlan(), deprecation }, scoring, requests: null }, now).includes(message)).toBe(isTold);
  expect(formatRunPage(toRunning(10, { endsOn: deprecation }), now).includes(message)).toBe(isTold);
});

test.each([
  [{}, null],
  [
    { budgetUsd: 5, leftUsd: 3.2, spentUsd: 1.3, reservedUsd: 0.5 },
    'budget      $5.00: $1.30 spent, $0.50 reserved, $3.20 left; these targets need nothing more',
  ],
  [
    { budgetUsd: 1, leftUsd: -0.5, spentUsd: 1.5, neededUsd: null, unknown: 2 },
    'budget      $1.00: $1.50 spent, $0.00 reserved, 2 runs of unknown cost, exceeded by $0.50; the price of these targets is unknown',
  ],
  [{ spentUsd: 1, neededUsd: 2 }, 'budget      no limit: $1.00 spent, $0.00 reserved; these targets need up to $2.00'],
])('what of the budget %j is left', (budget, text) => {
  const none = { budgetUsd: null, leftUsd: null, neededUsd: 0, spentUsd: 0, reservedUsd: 0, unknown: 0 };
  expect(formatBudget({ ...none, ...budget })).toBe(text);
});

test.each([
  [{ low: 0, high: 0, actual: 0, source: 'this machine', actualSource: 'this machine' }, false, null],
  [{}, false, 'price unknown'],
  [{}, true, 'not known: price unknown'],
  [{ low: 1, high: 2, source: 'list' }, false, '$1.00 to $2.00 (list)'],
  [{ low: 1, high: 2, source: 'list', asOf: '2026-01-01' }, true, 'not known: $1.00 to $2.00 (list, of 2026-01-01)'],
  [
    { low: 1, high: 2, source: 'list', actual: 1.5, actualSource: '500 tokens' },
    true,
    '$1.50 (500 tokens), planned: $1.00 to $2.00 (list)',
  ],
  [{ actual: 1.5, actualSource: 'their bill' }, true, '$1.50 (their bill), planned: price unknown'],
])('the page of a run tells its cost: %j', (change, terminal, text) => {
  const none = { currency: 'USD', low: null, high: null, actual: null, source: null, asOf: null, actualSource: null } as const;
  const line = formatRunPage(toRunning(1, { cost: { ...none, ...change }, terminal }), now)
    .split('\n')
    .find((one) => one.startsWith('  cost'));
  expect(line ?? null).toBe(text === null ? null : `  cost      ${text}`);
});

test('a run that ended before it had a job has cost nothing', () => {
  const first = createRecord({ type: 'run-accepted', plan: { ...toMemoryPlan(), quote }, number: 1 }, now.toISOString());
  const toActual = (change: Partial<typeof first>): number | null =>
    toRunView({ key: 'k', version: 1, record: { ...first, ...change }, lastPoll: null, metrics: {} }, now).cost.actual;
  expect(toActual({ state: 'cancelled' })).toBe(0);
  expect(toActual({ state: 'rejected', wire: {} })).toBe(0);
  expect(toActual({ state: 'cancelled', wire: {} })).toBeNull(); // it may have arrived
  expect(toActual({})).toBeNull();
});

test('a run’s view has the planned and the actual cost, and what requests call the model', () => {
  const first = createRecord({ type: 'run-accepted', plan: { ...toMemoryPlan(), quote }, number: 1 }, now.toISOString());
  const model = { kind: 'endpoint', identity: 'i', location: 'p', name: 'ft:tuned', base: 'base' } as const;
  const record = {
    ...first,
    cost: { usd: 1.5, source: '500 tokens' },
    artifacts: [{ kind: 'endpoint', uri: 'openai:ft:tuned', sha256: null, model } as const],
  };
  const view = toRunView({ key: 'k', version: 1, record, lastPoll: null, metrics: {} }, now);
  expect(view.cost).toEqual({
    currency: 'USD',
    low: 1.2,
    high: 2.4,
    actual: 1.5,
    source: 'list prices',
    asOf: '2026-01-01',
    actualSource: '500 tokens',
  });
  expect(view.outputs).toEqual([{ kind: 'endpoint', uri: 'openai:ft:tuned', sha256: null, callAs: 'ft:tuned' }]);
});

test('a comparison is a table with a verdict in words', () => {
  const expected = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 'yes' : 'no'));
  const comparison = buildComparison({
    job: 'job',
    set: 'test',
    measure: 'accuracy',
    margin: 0.02,
    labels: ['no', 'yes'],
    expected,
    candidates: [
      { name: 'most frequent label', kind: 'majority', run: null, answers: expected.map(() => 'no') },
      { name: 'a', kind: 'tuned', run: 'job/a', answers: expected.map((label, i) => (i < 10 ? null : label)) },
    ],
    referenceAmong: ['most frequent label'],
  });
  const text = formatComparison(comparison);
  expect(text).toMatch(/^a \(tuned\) +0\.900 +0\.947 +\+0\.400 +\+0\.\d{3} to \+0\.\d{3} +< 0\.0001 +better$/m);
  expect(text).toContain('verdict: a is better than the most frequent label');
  expect(comparison.candidates[1]!.unparseable).toBe(10);
});

test.each([
  [[{ ok: true, terminal: true }], 0],
  [[{ ok: true, terminal: true }, { terminal: false }], 101],
  [[{ terminal: true, phase: 'cancelled' }, { terminal: false }], 103],
  [
    [
      { terminal: true, phase: 'failed' },
      { terminal: true, phase: 'cancelled' },
    ],
    100,
  ],
  [[{ attention: true }, { terminal: true, phase: 'failed' }], 75],
  [[{ phase: 'preparing' }], 75],
])('the outcome of %j is %i', (runs, status) => {
  const views = runs.map((run: { ok?: boolean; terminal?: boolean; attention?: boolean; phase?: string }) =>
    toRunning(1, {
      ok: run.ok ?? false,
      terminal: run.terminal ?? false,
      attention: run.attention ?? false,
      status: { phase: run.phase ?? (run.ok === true ? 'succeeded' : 'running'), raw: null, since: '' },
    }),
  );
  expect(getOutcome(views)).toBe(status);
});

test('times are written as a person reads them', () => {
  expect([0.04, 9.94, 59.4, 61, 3599, 7500].map(formatSeconds)).toEqual([
    '0.0 s',
    '9.9 s',
    '59 s',
    '1 min 01 s',
    '59 min 59 s',
    '2 h 05 min',
  ]);
  expect([500, 61_000, 7_200_000, 200_000_000].map(formatAge)).toEqual(['1s', '1m', '2h', '2d']);
});

test('under a list stands how old it is, where it is not new', () => {
  const { observed } = toRunning(1);
  const seen = (id: string, at: string | null, terminal = false): RunView => toRunning(1, { id, terminal, observed: { ...observed, at } });
  const [fresh, old] = [seen('job/b', '2026-01-01T00:00:59.000Z'), seen('job/a', '2025-12-31T23:58:00.000Z')];
  expect(formatOldestLook([fresh, seen('job/c', null, true)], now)).toBeNull();
  expect(formatOldestLook([old], now)).toBe('job/a was seen 3m ago; `npx orchestrate status --refresh` looks now');
  expect(formatOldestLook([fresh, old], now)).toBe('job/a was seen 3m ago, the others later; `npx orchestrate status --refresh` looks now');
  expect(formatOldestLook([seen('job/d', null)], now)).toBe('job/d was not seen yet; `npx orchestrate status --refresh` looks now');
  expect(formatOldestLook([toRunning(1, { remote: null })], now)).toBeNull();
});

test('a run that waits in the queue, and one that is paused, say so instead of a bar', () => {
  expect(formatProgress({ ...toRunning(10), waitingFor: 'job/b' }, 200)).toBe('job/a  running, waiting for job/b');
  const reading = { ...toRunning(10), progress: { ...toRunning(10).progress, fraction: null }, doing: 'reading training rows: 34 %' };
  expect(formatProgress(reading, 200)).toBe('job/a  running, reading training rows: 34 %');
  for (const phase of ['paused', 'interrupted']) {
    const { status } = toRunning(10);
    expect(formatProgress(toRunning(10, { status: { ...status, phase } }), 200)).toBe(`job/a  ${phase}`);
  }
  expect(formatRunPage({ ...toRunning(10), waitingFor: 'job/b' }, now)).toContain('running, waiting for job/b (seen');
  expect(formatRunTable([{ ...toRunning(10), waitingFor: 'job/b' }], now)).toContain('running, waiting for job/b');
});

test('the plan of a model of the Hub tells its commit, its licence and what is downloaded, and how long it takes', () => {
  const plan = toMemoryPlan();
  const model = { ...plan.model, base: 'acme/tiny', revision: 'c'.repeat(40), license: 'mit', endpoint: 'https://hub', folder: '/cache/c' };
  const estimate = { seconds: 125, memoryBytes: 1.4e9, source: 'measured' };
  const scoring = { rows: 0, maxTokens: null, problem: null };
  const format = (change: object): string =>
    formatPlan({ plan: { ...plan, model: { ...model, ...change }, estimate }, scoring, requests: null }, now);
  expect(format({ downloadBytes: 91.3e6 })).toContain(
    `  model     acme/tiny at the commit ${'c'.repeat(40)}\n  licence   mit\n  download  91.3 MB, once, to /cache/c\n`,
  );
  expect(format({ license: null })).toContain('  licence   none named in the card of the model\n  folder    /cache/c\n');
  expect(format({})).toContain('  training  about 2 min 05 s, 1.4 GB of memory (measured)\n');
});

test('sizes that train here fit 80 columns by what matters most', () => {
  const batch = { rows: 16, tokens: 32 };
  const one = { family: 'bert', size: '6 x 384', parameters: 22.7e6, rowsPerSecond: 10, memoryBytes: 1.4e9, batch };
  const sizes = {
    measuredOn: 'a machine',
    kinds: ['bert', 'electra'],
    sizes: [{ ...one, examples: ['hub:sentence-transformers/all-MiniLM-L6-v2'] }],
  };
  const wide = formatSizes(sizes);
  expect(wide).toContain('bert    6 x 384      22.7 M      10  5 min 00 s  1.4 GB  hub:sentence-transformers/all-MiniLM-L6-v2');
  expect(wide).toContain('batches of 16 rows of 32 tokens: a machine');
  expect(wide).toContain('(model_type in config.json): bert, electra.');
  const narrow = formatSizes(sizes, 80).split('\n').slice(0, 2);
  expect(narrow.every((line) => line.length <= 80)).toBe(true);
  expect(narrow[1]).toContain('all-MiniLM-L6-v2');
});

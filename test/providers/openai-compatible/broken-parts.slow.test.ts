import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createOpenAICompatible } from '../../../providers/openai-compatible/index.ts';
import type { Attempt } from '../../../src/provider/context.ts';
import { faultCases, type HttpFault } from '../../../src/testing/http-fault.ts';
import type { Provider } from '../../../src/provider/provider.ts';
import { isFailure } from '../../../src/errors.ts';
import { startMisbehavingServer } from '../../provider-kit/http/misbehaving-server.ts';
import { canaryKey, configs, createContext, createdAt } from './fixture.ts';

const now = '2026-11-22T12:00:00.000Z';
const model = 'gpt-4.1-mini-2025-04-14';
const time = createdAt + 300;
const job = {
  id: 'ftjob-1',
  status: 'succeeded',
  model,
  fine_tuned_model: `ft:${model}:me:a:1`,
  created_at: time,
  finished_at: time + 200,
  training_file: 'file-train',
  result_files: ['file-result'],
};
const rows = `${JSON.stringify({ messages: [{ role: 'user', content: 'hi' }] })}\n`.repeat(50);

function toBody(path: string): string {
  if (path.includes('/files/file-train/content')) return rows;
  if (path.includes('/files/file-result/content')) return 'step,train_loss\n1,0.5\n';
  if (path.includes('/files/')) return JSON.stringify({ id: path.split('/').at(-1), bytes: rows.length });
  if (path.includes('/events') || path.includes('/checkpoints')) return '{"data":[],"has_more":false}';
  return JSON.stringify(job);
}

/** What ends by its deadline alone has a short one. */
const late = ['half-open', 'slow-head', 'slow-body'];

/** A service that misbehaves at some addresses, and answers well at the others. */
async function withFault<T>(
  { fault, at }: { readonly fault: HttpFault; readonly at: RegExp },
  use: (found: {
    readonly provider: Provider;
    readonly location: string;
    readonly context: Attempt;
    readonly folder: string;
  }) => Promise<T>,
): Promise<T> {
  const server = await startMisbehavingServer({ toBody, misbehaving: at });
  server.behave(fault);
  const deadlineMs = late.includes(fault.kind) ? 200 : 20_000;
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  const context = createContext(server.origin, { workDir: folder, deadlineMs });
  try {
    const provider = createOpenAICompatible({ ...configs.openai, deadlines: { downloadMs: deadlineMs } });
    return await use({ provider, location: configs.openai.baseUrl(context), context, folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await server.close();
  }
}

/** Without those that end the whole service, or take long to be made. */
const cases = Object.entries(faultCases).filter(([, { fault }]) => !['unreachable', 'gzip-bomb'].includes(fault.kind));
const toTable = (parts: readonly string[]): (readonly [string, string, HttpFault])[] =>
  parts.flatMap((part) => cases.map(([what, { fault }]) => [part, what, fault] as const));

/** The end of a call; a typed failure in short. */
async function findEnd(called: Promise<unknown>): Promise<unknown> {
  const end = await called.catch((error: unknown) => error);
  expect(inspect(end, { depth: Infinity, maxStringLength: Infinity })).not.toContain(canaryKey);
  return isFailure(end) ? 'a failure' : end;
}

// The job itself is known by then: a part that cannot be read ends the look with a typed failure, or changes nothing of the report.
test.concurrent.each(toTable(['/checkpoints', '/events', '/content']))('a look whose %s meets %s', async (part, _, fault) => {
  await withFault({ fault, at: new RegExp(`${part}\\b`) }, async ({ provider, location, context }) => {
    const ref = { provider: 'openai', id: job.id, location, attempt: 1, createdAt: now, url: null };
    const measured = expect.objectContaining({ step: 1, value: 0.5 }) as unknown;
    const seen = expect.objectContaining({
      status: { phase: 'succeeded', raw: 'succeeded' },
      failure: null,
      artifacts: [expect.objectContaining({ uri: `openai:${job.fine_tuned_model}` })],
      metrics: part === '/content' ? [] : [measured],
      logs: [],
    }) as unknown;
    expect(['a failure', seen]).toContainEqual(await findEnd(provider.training.observe(ref, null, context)));
  });
});

/** Texts that begin as rows do are taken for them; the import looks at their JSON. */
const rowsLike = ['{"id":"job-1",', '{"ok":true}', '{}'];

test.concurrent.each(toTable(['/events', '/file-train', '/content']))(
  'of a job whose %s meets %s each file is whole or not there',
  async (part, _, fault) => {
    await withFault({ fault, at: new RegExp(`${part}\\b`) }, async ({ provider, context, folder }) => {
      const end = await findEnd(provider.account!.fetchJob!(job.id, folder, context));
      expect(['a failure', expect.objectContaining({ missing: expect.any(Array) as unknown })]).toContainEqual(end);
      const names = ['train.jsonl', 'results-file-result.csv', 'events.jsonl', 'checkpoints.json'];
      expect(names).toEqual(expect.arrayContaining(readdirSync(folder)));
      const train = join(folder, 'train.jsonl');
      expect([null, rows, ...rowsLike]).toContain(existsSync(train) ? readFileSync(train, 'utf8') : null);
    });
  },
);

import { join } from 'node:path';
import type { Metric } from '../src/provider/metric.ts';
import { createOrchestrator } from '../src/orchestrator.ts';
import { acceptRuns } from '../src/run/accept.ts';
import { appendEvents } from '../src/run/run-store.ts';
import { openStore } from '../src/store/open-store.ts';

const at = '2026-01-01T00:00:00.000Z';
const steps = 447;

/** Fills a state folder with finished runs of a job: a real plan, and the events and measurements of so many training steps. */
export async function writeRuns(dir: string, jobFile: string, count: number): Promise<void> {
  await using orchestrator = await createOrchestrator({ dir });
  const [plan] = await orchestrator.plan(await orchestrator.load(jobFile));
  await using store = openStore(dir);
  const metrics = toMetrics();
  const poll = {
    cursor: null,
    progress: { step: steps, steps, epoch: 3, etaSeconds: 0, rowsPerSecond: 500, loss: 0.2 },
    at,
    error: null,
    failedPolls: null,
    nextPollAt: null,
  };
  for (let i = 0; i < count; i++) {
    const key = `${plan!.key.slice(0, -2)}${String(i).padStart(2, '0')}`;
    const [run] = await acceptRuns(store, [{ ...plan!, key }], at);
    const uri = `file://${join(dir, 'runs', key, 'model')}`;
    const model = {
      kind: 'folder',
      identity: key,
      path: join(dir, 'runs', key, 'model'),
      labels: plan!.facts.labels,
      seed: 42,
      maxLength: 64,
    } as const;
    await appendEvents(store, run!.key, {
      fence: null,
      at,
      poll,
      metrics,
      logs: [{ at, text: 'trainer started' }],
      events: [
        { type: 'job-adopted', job: { provider: 'local', id: key, location: 'here', attempt: 1, createdAt: at, url: null } },
        { type: 'artifact-found', artifact: { kind: 'folder', uri, sha256: key, model } },
        { type: 'status-changed', status: { phase: 'succeeded', raw: 'finished' }, startedAt: at, finishedAt: at },
      ],
    });
  }
}

function toMetrics(): Metric[] {
  const names = { loss: 'loss', learning_rate: 'learningRate', grad_norm: 'gradNorm' };
  return Array.from({ length: steps }, (_, i) =>
    Object.entries(names).map(([name, source]): Metric => {
      const step = i + 1;
      return { split: 'train', name, value: 1 / step, step, epoch: (3 * step) / steps, coverage: 'batch', at, source };
    }),
  ).flat();
}

import { createRepo, getJob, runJob } from '@huggingface/hub';
import type { WireHubJob } from '../../../src/sandbox/hub/wire-hub-job.ts';
import { trainRows, type HubFixture } from './hub-world.ts';

export const output = 'rehearsal/tuned';
const dataset = 'rehearsal/rows';

/** What a job of ours is told. */
export function toTask(changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    version: 1,
    engine: 'autotrain',
    task: 'text-classification',
    dataset: { repo: dataset, revision: 'main', train: 'train.jsonl', validation: null, textColumn: 'text', labelColumn: 'label' },
    labels: ['bad', 'good'],
    maxLength: 64,
    model: { base: 'google-bert/bert-base-uncased' },
    output: { repo: output },
    parameters: { epochs: 1 },
    ...changes,
  });
}

/** Brings the rows and makes the repository of the model. */
export async function bringRows({ hub }: HubFixture): Promise<void> {
  const content = new Blob([trainRows.map((row) => `${JSON.stringify(row)}\n`).join('')]);
  await createRepo({ ...hub, repo: { type: 'dataset', name: dataset }, visibility: 'private', files: [{ path: 'train.jsonl', content }] });
  await createRepo({ ...hub, repo: output, visibility: 'private' });
}

interface JobOptions {
  readonly environment?: Record<string, string>;
  readonly secrets?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly timeoutSeconds?: number;
}

/** Starts a job of ours; its identifier. */
export async function startJob({ hub }: HubFixture, options: JobOptions = {}): Promise<string> {
  const job = await runJob({
    ...hub,
    namespace: 'rehearsal',
    flavor: 'a10g-large',
    dockerImage: 'huggingface/autotrain-advanced:latest',
    command: ['bash', '-c', 'program'],
    environment: { ORCHESTRATE_JOB: toTask() },
    secrets: { HF_TOKEN: hub.accessToken },
    labels: { name: 'tuned', orchestrate_key: 'k1' },
    timeoutSeconds: 600,
    ...options,
  });
  return job.id;
}

/** Rows, and one job on them. */
export async function openJob(fixture: HubFixture, options: JobOptions = {}): Promise<string> {
  await bringRows(fixture);
  return await startJob(fixture, options);
}

/** Reads a job as its look; the client's own type of its stage is wrong. */
export async function lookAt({ hub }: HubFixture, id: string): Promise<WireHubJob> {
  return (await getJob({ ...hub, namespace: 'rehearsal', jobId: id })) as unknown as WireHubJob;
}

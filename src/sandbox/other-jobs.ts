import { toNewJob } from './create-job.ts';
import { openaiDialect } from './openai-dialect.ts';
import type { World } from './service-account.ts';

const ageMs = 60_000;

/** Puts jobs of others into the list until there are as many as the settings say. They stand below all real ones. */
export function addNoiseJobs(world: World, nowMs: number): void {
  const present = world.jobs.filter(({ metadata }) => metadata?.['noise'] !== undefined).length;
  for (let i = present; i < world.settings.noiseJobs; i++) {
    const body = { model: 'gpt-4.1-mini-2025-04-14', training_file: world.nextId('file-'), metadata: { noise: String(i) } };
    const job = toNewJob(world, { body, method: 'supervised', dialect: openaiDialect, nowMs: nowMs - ageMs, training: Buffer.alloc(0) });
    job.status = 'running';
    world.jobs.push(job);
  }
}

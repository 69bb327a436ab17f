import { toNewJob } from './create-job.ts';
import { openaiDialect } from './openai-dialect.ts';
import type { ServiceAccount } from './service-account.ts';

const ageMs = 60_000;

/** Puts jobs of others into the list until there are as many as the settings say. They stand below all real ones. */
export function addOtherJobs(account: ServiceAccount, nowMs: number): void {
  const present = account.jobs.filter(({ metadata }) => metadata?.['noise'] !== undefined).length;
  for (let i = present; i < account.settings.otherJobs; i++) {
    const body = { model: 'gpt-4.1-mini-2025-04-14', training_file: account.nextId('file-'), metadata: { noise: String(i) } };
    const job = toNewJob(account, { body, method: 'supervised', dialect: openaiDialect, nowMs: nowMs - ageMs, training: Buffer.alloc(0) });
    job.status = 'running';
    account.jobs.push(job);
  }
}

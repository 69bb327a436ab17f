import type { ServiceAccount } from '../service-account.ts';
import type { HubJob } from './hub-job.ts';
import { nextHex } from './repo-store.ts';

const ageMs = 60_000;

/** Puts jobs of others into the list until there are as many as the settings say. They stand below all real ones and run for ever. */
export function addOtherHubJobs(account: ServiceAccount, nowMs: number): void {
  const present = account.hub.jobs.filter(({ labels }) => labels['noise'] !== undefined).length;
  for (let i = present; i < account.settings.otherJobs; i++) {
    const labels = { noise: String(i) };
    const job: HubJob = {
      id: nextHex(account, 24),
      createdMs: nowMs - ageMs,
      request: { dockerImage: 'python:3.12', command: ['sleep', 'infinity'], flavor: 'cpu-basic', labels },
      secrets: {},
      task: null,
      durationMs: 0,
      stop: new AbortController(),
      log: [],
      labels,
      moments: [],
      stage: 'RUNNING',
      message: null,
      startedMs: nowMs - ageMs,
      finishedMs: null,
      looks: 0,
      training: null,
      hasTrained: false,
    };
    account.hub.jobs.push(job);
  }
}

import { toAccountId } from './account-id.ts';
import { isEnded, type HubJob } from './hub-job.ts';

/** A job as the Hub writes it. */
export type WireHubJob = ReturnType<typeof toWireHubJob>;

/** `owner`: the account's name. */
export function toWireHubJob(job: HubJob, owner: string, nowMs: number) {
  const { request, createdMs, startedMs, finishedMs } = job;
  const user = { id: toAccountId(owner), name: owner, type: 'user' };
  const nowOrEnd = finishedMs ?? nowMs;
  return {
    type: 'job',
    id: job.id,
    createdAt: toIso(createdMs),
    startedAt: toIso(startedMs),
    finishedAt: toIso(finishedMs),
    dockerImage: request.dockerImage ?? null,
    spaceId: request.spaceId ?? null,
    command: request.command ?? null,
    arguments: request.arguments ?? [],
    environment: request.environment ?? {},
    secrets: Object.keys(job.secrets).sort(),
    flavor: request.flavor,
    labels: job.labels,
    volumes: request.volumes ?? [],
    timeoutSeconds: request.timeoutSeconds ?? null,
    attempts: request.attempts ?? 1,
    status: { stage: job.stage, message: job.message, failureCount: job.stage === 'ERROR' ? 1 : 0 },
    durations: {
      schedulingSecs: toSeconds((startedMs ?? nowOrEnd) - createdMs),
      runningSecs: startedMs === null ? null : toSeconds(nowOrEnd - startedMs),
      totalSecs: toSeconds((isEnded(job) ? nowOrEnd : nowMs) - createdMs),
    },
    owner: user,
    initiator: user,
  };
}

function toIso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function toSeconds(ms: number): number {
  return Math.round(ms / 1000);
}

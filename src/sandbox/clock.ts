import { setTimeout as sleep } from 'node:timers/promises';

/** The time of a sandbox. */
export interface Clock {
  /** Whether it moves by steps alone. */
  readonly isStepped: boolean;
  nowMs(): number;
  /** Puts the clock forward. */
  step(ms: number): void;
  /** Resolves when this time has passed on this clock; on one that is only stepped, by steps. */
  wait(ms: number): Promise<void>;
}

/** A clock that runs with `now` and can be put forward. */
export function createRealClock(now: () => Date): Clock {
  let aheadMs = 0;
  return {
    isStepped: false,
    nowMs: () => now().getTime() + aheadMs,
    step: (ms) => void (aheadMs += ms),
    wait: async (ms) => await sleep(ms, undefined, { ref: false }),
  };
}

/** A clock that begins at `start` and moves by steps alone. */
export function createSteppedClock(start: Date): Clock {
  let nowMs = start.getTime();
  let waiting: { readonly untilMs: number; readonly resolve: () => void }[] = [];
  return {
    isStepped: true,
    nowMs: () => nowMs,
    step(ms) {
      nowMs += ms;
      const due = waiting.filter(({ untilMs }) => untilMs <= nowMs);
      waiting = waiting.filter(({ untilMs }) => untilMs > nowMs);
      for (const { resolve } of due) resolve();
    },
    wait: async (ms) => await new Promise((resolve) => void waiting.push({ untilMs: nowMs + ms, resolve })),
  };
}

/** Something that will happen to a job, so many ms of its time after its creation. */
export interface ScheduledEvent {
  readonly offsetMs: number;
  happen(atMs: number): void;
}

/** A job as far as time goes. */
export interface TimedJob {
  readonly createdMs: number;
  /** From the creation to the end. */
  readonly durationMs: number;
  /** What is still to come, in order. */
  scheduled: ScheduledEvent[];
  /** How often the job was retrieved. */
  polled: number;
  /** Time during which it was paused. */
  pausedMs: number;
}

/** The time that has passed for a job: by the clock, or where `polls` is a number, by how often it was retrieved. */
export function getElapsedMs(job: TimedJob, polls: number | null, nowMs: number): number {
  return polls === null ? nowMs - job.createdMs - job.pausedMs : (job.durationMs * job.polled) / polls;
}

/** Lets everything happen to a job that is due, also what comes to be scheduled meanwhile. */
export function runDueEvents(job: TimedJob, polls: number | null, nowMs: number): void {
  const elapsedMs = getElapsedMs(job, polls, nowMs);
  for (let event = job.scheduled[0]; event !== undefined && event.offsetMs <= elapsedMs; event = job.scheduled[0]) {
    job.scheduled.shift();
    event.happen(polls === null ? job.createdMs + job.pausedMs + event.offsetMs : nowMs);
  }
}

/** Unix seconds, as OpenAI writes times. */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

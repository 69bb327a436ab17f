import { setTimeout as sleep } from 'node:timers/promises';

/** The time that a sandbox lives in. */
export interface Clock {
  /** Whether it moves by steps alone. */
  readonly isStepped: boolean;
  nowMs(): number;
  /** Puts the clock forward. */
  step(ms: number): void;
  /** Resolves when so much time has passed on this clock; on one that is only stepped, by steps. */
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

/** Unix seconds, as the service writes times. */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

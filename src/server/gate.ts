import PQueue from 'p-queue';
import { refuse } from './errors.ts';

/** How many requests are answered at once, and how many more may wait. */
export interface GateLimits {
  readonly concurrency: number;
  readonly waiting: number;
}

/** Waits for a turn; what it gives ends it. Refuses the request where too many wait. */
export type Gate = (signal: AbortSignal) => Promise<() => void>;

export function createGate({ concurrency, waiting }: GateLimits): Gate {
  const queue = new PQueue({ concurrency });
  return async (signal) => {
    if (queue.pending >= concurrency && queue.size >= waiting) {
      const message = `The server is busy: ${concurrency} requests are answered and ${waiting} wait. Try again later.`;
      refuse(429, message, { code: 'rate_limit_exceeded', headers: { 'retry-after': '1' } });
    }
    return await new Promise((enter, fail) => {
      const turn = async (): Promise<void> => await new Promise<void>((leave) => enter(leave));
      queue.add(turn, { signal }).catch(fail); // once it has begun the signal only ends it
    });
  };
}

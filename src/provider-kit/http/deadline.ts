import { Failure } from '../../errors.ts';

/** One end for everything that a call does: its time is over, or its caller does not want it any more. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Lets go of the timer and of the caller's signal. Repeatable. */
  end(): void;
}

/** Starts the time of a call. @param caller the caller's own signal, which ends it too */
export function startDeadline(caller: AbortSignal | null, { ms, what }: { ms: number; what: string }): Deadline {
  const controller = new AbortController();
  const end = (): void => {
    clearTimeout(timer);
    caller?.removeEventListener('abort', onAbort);
  };
  const onAbort = (): void => {
    end();
    controller.abort(caller?.reason);
  };
  const timer = setTimeout(() => {
    end();
    controller.abort(new Failure('timeout', `${what}: expected a whole answer within ${Math.round(ms)} ms, found none`));
  }, ms);
  caller?.addEventListener('abort', onAbort);
  if (caller?.aborted === true) onAbort();
  return { signal: controller.signal, end };
}

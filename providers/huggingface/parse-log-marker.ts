/** What the service itself writes into the log of a job. */
export type LogMarker = { readonly type: 'started' } | { readonly type: 'finished'; readonly stage: string };

/** `===== Job started at … =====` and `===== Job finished: status=COMPLETED =====`; null for every other line. */
export function parseLogMarker(text: string): LogMarker | null {
  if (/^={3,10} Job started\b/.test(text)) return { type: 'started' };
  const finished = /^={3,10} Job finished: status=([A-Z_]{1,40})\b/.exec(text);
  return finished === null ? null : { type: 'finished', stage: finished[1]! };
}

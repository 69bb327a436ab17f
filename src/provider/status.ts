/** Where a job stands at its service, in our words; the service's own word is kept beside it. */
export const openPhases = ['validating', 'queued', 'running', 'finalizing', 'paused', 'interrupted', 'cancelling', 'unknown'] as const;

/** Phases that never change again. */
export const terminalPhases = ['succeeded', 'failed', 'cancelled', 'expired'] as const;

export type TerminalPhase = (typeof terminalPhases)[number];
export type Phase = (typeof openPhases)[number] | TerminalPhase;

export interface Status {
  readonly phase: Phase;
  /** The service's own word. */
  readonly raw: string;
}

export function isTerminalPhase(phase: string): phase is TerminalPhase {
  return (terminalPhases as readonly string[]).includes(phase);
}

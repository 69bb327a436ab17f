import { isTerminalPhase, openPhases, terminalPhases, type Phase } from '../contract/status.ts';
import type { RunEvent, RunEventType } from './event.ts';

/** Where a run stands: before its job exists in words of our own, afterwards in the job's phase. */
export type RunState = 'accepted' | 'preparing' | 'submitting' | 'uncertain' | 'attention' | 'rejected' | 'submitted' | Phase;

type Next = RunState | 'phase' | 'same';

const ofJob = {
  'status-changed': 'phase',
  'artifact-found': 'same',
  'note-added': 'same',
  'job-failed': 'same',
  'cancel-requested': 'same',
} as const satisfies Partial<Record<RunEventType, Next>>;

/** (state, event) -> state. What is not listed must not happen. `phase` is the observed status's, `same` stays. */
export const transitions: Readonly<Record<RunState, Readonly<Partial<Record<RunEventType, Next>>>>> = {
  accepted: { 'job-adopted': 'submitted', 'submission-prepared': 'preparing', 'cancel-requested': 'same', 'run-withdrawn': 'cancelled' },
  preparing: {
    'submission-prepared': 'preparing',
    'submission-intended': 'submitting',
    'job-adopted': 'submitted',
    'cancel-requested': 'same',
    'run-withdrawn': 'cancelled',
  },
  submitting: {
    'job-submitted': 'submitted',
    'job-adopted': 'submitted',
    'submission-unsent': 'preparing',
    'submission-rejected': 'rejected',
    'submission-unanswered': 'uncertain',
    'cancel-requested': 'same',
  },
  uncertain: {
    'job-adopted': 'submitted',
    'submission-disproved': 'preparing',
    'attention-needed': 'attention',
    'cancel-requested': 'same',
  },
  attention: { 'cancel-requested': 'same' },
  rejected: {},
  submitted: ofJob,
  ...(Object.fromEntries(openPhases.map((phase) => [phase, ofJob])) as Record<(typeof openPhases)[number], typeof ofJob>),
  // The artifact and the failure of an ended job may be read with the look that saw its end.
  ...(Object.fromEntries(
    terminalPhases.map((phase) => [phase, { 'artifact-found': 'same', 'note-added': 'same', 'job-failed': 'same' }]),
  ) as Record<(typeof terminalPhases)[number], Partial<typeof ofJob>>),
};

/** The state after an event. Throws where the table has no entry: a fault of the program. */
export function toNextState(state: RunState, event: RunEvent): RunState {
  const next: Next | undefined = transitions[state][event.type];
  if (next === undefined) throw new Error(`a run that is ${state} cannot take the event ${event.type}`);
  if (next === 'same') return state;
  return next === 'phase' ? (event as Extract<RunEvent, { type: 'status-changed' }>).status.phase : next;
}

/** States in which nothing more will happen by itself. */
export function isEnded(state: RunState): boolean {
  return state === 'rejected' || isTerminalPhase(state);
}

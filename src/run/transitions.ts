import { isTerminalPhase, openPhases, terminalPhases, type Phase } from '../provider/status.ts';
import type { RunEvent, RunEventType } from './event.ts';

/** The state of a run: our own words until its job exists, then the phase of the job. */
export type RunState = 'accepted' | 'preparing' | 'submitting' | 'uncertain' | 'attention' | 'rejected' | 'submitted' | Phase;

/** A state, or one of: `phase`, the phase of the observed status; `same`, the current state; `decided`, the choice of a person. */
type Next = RunState | 'phase' | 'same' | 'decided';

type Row = Readonly<Partial<Record<RunEventType, Next>>>;

/**
 * A person can request this at any time; for a run that has ended the request is only recorded. What is not trained may change at any
 * time too.
 */
const controlRequests: Row = { 'cancel-requested': 'same', 'pause-requested': 'same', 'job-file-changed': 'same' };

const ofJob: Row = {
  ...controlRequests,
  'status-changed': 'phase',
  'submission-checked': 'same',
  'artifact-found': 'same',
  'cost-known': 'same',
  'checkpoint-seen': 'same',
  'note-added': 'same',
  'job-failed': 'same',
  'run-abandoned': 'failed',
};
const ofStoppedJob: Row = { ...ofJob, 'run-stopped': 'paused', 'resume-intended': 'same', 'job-resumed': 'submitted' };
/** The artifact, the cost and the failure of an ended job are read with the poll that saw its end. */
const ofEndedJob: Row = {
  ...controlRequests,
  'artifact-found': 'same',
  'cost-known': 'same',
  'checkpoint-seen': 'same',
  'note-added': 'same',
  'job-failed': 'same',
};
/** A tuned model may have to be deployed before it answers. */
const ofSucceededJob: Row = { ...ofEndedJob, 'deployment-intended': 'same', 'model-deployed': 'same', 'model-undeployed': 'same' };

/** (state, event) -> next state. An event that is not listed must not happen in that state. */
export const transitions: Readonly<Record<RunState, Row>> = {
  accepted: {
    ...controlRequests,
    'job-adopted': 'submitted',
    'submission-prepared': 'preparing',
    'note-added': 'same',
    'run-withdrawn': 'cancelled',
  },
  preparing: {
    ...controlRequests,
    'job-adopted': 'submitted',
    'submission-prepared': 'preparing',
    'submission-quoted': 'same',
    'submission-discarded': 'accepted',
    'submission-intended': 'submitting',
    'note-added': 'same',
    'run-withdrawn': 'cancelled',
  },
  submitting: {
    ...controlRequests,
    'job-submitted': 'submitted',
    'submission-unsent': 'preparing',
    'submission-rejected': 'rejected',
    'submission-unanswered': 'uncertain',
  },
  uncertain: {
    ...controlRequests,
    'job-adopted': 'submitted',
    'submission-disproved': 'preparing',
    'attention-needed': 'attention',
    'note-added': 'same',
  },
  attention: { ...controlRequests, 'decision-made': 'decided', 'job-adopted': 'submitted', 'note-added': 'same' },
  rejected: { ...controlRequests, 'note-added': 'same' },
  submitted: ofJob,
  ...(Object.fromEntries(openPhases.map((phase) => [phase, ofJob])) as Record<(typeof openPhases)[number], Row>),
  paused: ofStoppedJob,
  interrupted: ofStoppedJob,
  ...(Object.fromEntries(terminalPhases.map((phase) => [phase, ofEndedJob])) as Record<(typeof terminalPhases)[number], Row>),
  succeeded: ofSucceededJob,
};

/** The state after an event. Throws where the table has no entry: a bug of the program. */
export function getNextState(state: RunState, event: RunEvent): RunState {
  const next = transitions[state][event.type];
  switch (next) {
    case undefined:
      throw new Error(`a run that is ${state} cannot take the event ${event.type}`);
    case 'same':
      return state;
    case 'phase':
      return (event as Extract<RunEvent, { type: 'status-changed' }>).status.phase;
    case 'decided':
      return { adopt: 'submitted', absent: 'preparing', cancel: 'cancelled' }[
        (event as Extract<RunEvent, { type: 'decision-made' }>).decision
      ] as RunState;
    default:
      return next;
  }
}

/** Whether nothing more will happen by itself. */
export function isEnded(state: RunState): boolean {
  return state === 'rejected' || isTerminalPhase(state);
}

import { isTerminalPhase, openPhases, terminalPhases, type Phase } from '../provider/status.ts';
import type { RunEvent, RunEventType } from './event.ts';

/** Where a run stands: before its job exists in words of our own, afterwards in the job's phase. */
export type RunState = 'accepted' | 'preparing' | 'submitting' | 'uncertain' | 'attention' | 'rejected' | 'submitted' | Phase;

/** A state; or `phase`, that of the observed status; `same`, the present one; `decided`, what a person chose. */
type Next = RunState | 'phase' | 'same' | 'decided';

type Row = Readonly<Partial<Record<RunEventType, Next>>>;

/** A person may wish at any time; of a run that has ended the wish is history. */
const controlRequests: Row = { 'cancel-requested': 'same', 'pause-requested': 'same' };

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
const ofStoppedJob: Row = { ...ofJob, 'resume-intended': 'same', 'job-resumed': 'submitted' };
/** The artifact, the cost and the failure of an ended job are read with the look that saw its end. */
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

/** (state, event) -> state. What is not listed must not happen. */
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

/** What is done about a run in each state; `advance` does it. */
export const stateActions: Readonly<Record<RunState, string>> = {
  accepted: 'look whether the provider has a job of this key already and adopt it; else prepare (submit only)',
  preparing: 'look again; store the intent with the exact body, then create, once (submit only)',
  submitting: 'the process that stored the intent may have died: settle it as unanswered',
  uncertain: 'look; wait; look; fence the attempt; wait until a job would surely be listed; look twice: adopt, next attempt, or ask',
  attention: 'nothing: a person decides (`orchestrate resolve`)',
  rejected: 'nothing; what was prepared has been discarded, as far as that was possible',
  submitted: 'look at the job; once, look for a second one and cancel it',
  validating: 'look at the job',
  queued: 'look at the job',
  running: 'look at the job',
  finalizing: 'look at the job',
  paused: 'look at the job; `orchestrate resume` lets it go on',
  interrupted: 'let the job go on, at most three times without a new checkpoint',
  cancelling: 'look at the job',
  unknown: 'look at the job, seldom; never cancel or submit again',
  succeeded: 'nothing',
  failed: 'nothing',
  cancelled: 'nothing',
  expired: 'nothing',
};

/** The state after an event. Throws where the table has no entry: a fault of the program. */
export function toNextState(state: RunState, event: RunEvent): RunState {
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

/** States in which nothing more will happen by itself. */
export function isEnded(state: RunState): boolean {
  return state === 'rejected' || isTerminalPhase(state);
}

import type { ActualCost, Artifact, JobRef } from '../provider/job.ts';
import type { EndpointModel } from '../provider/model.ts';
import type { Note } from '../provider/note.ts';
import type { FailureData } from '../errors.ts';
import type { RunEvent, RunPlan, UnpaidPlan } from './event.ts';
import { isEnded, getNextState, type RunState } from './transitions.ts';

/** A tuned model that its service makes callable for a limited time. */
export interface Deployment {
  readonly name: string;
  /** When it was requested, and when it should end; ISO 8601, UTC. */
  readonly since: string;
  readonly until: string;
  /** The id of its charge. */
  readonly charge: string;
  readonly usdPerHour: number;
  /** Null until the service reports that the model answers. */
  readonly model: EndpointModel | null;
}

/** A run, folded from its events. Plain JSON. */
export interface RunRecord {
  readonly plan: RunPlan;
  readonly number: number;
  readonly state: RunState;
  /** The service's own word for the state, once the job exists. */
  readonly raw: string | null;
  /** When the state began. */
  readonly since: string;
  /** Attempts to submit, including the current one. */
  readonly attempt: number;
  /** What each attempt prepared. */
  readonly prepared: readonly unknown[];
  readonly wire: unknown;
  readonly job: JobRef | null;
  /** Submissions of this attempt that were certainly not sent. */
  readonly unsent: number;
  /** Whether a second job with this key was searched for after the submission. */
  readonly isChecked: boolean;
  readonly pauseRequested: boolean;
  readonly cancelRequested: boolean;
  /** The newest checkpoint, and how often the job was resumed since then. */
  readonly checkpoint: { readonly step: number | null; readonly resumes: number };
  /** The actual cost of the job, once it is known. */
  readonly cost: ActualCost | null;
  readonly artifacts: readonly Artifact[];
  /** The current deployment of the model, if there is one. */
  readonly deployment: Deployment | null;
  /** The notes of the plan and those that were added later. */
  readonly notes: readonly Note[];
  readonly failure: FailureData | null;
  readonly times: {
    readonly created: string;
    readonly submitted: string | null;
    readonly started: string | null;
    readonly finished: string | null;
  };
}

/** The record after the first event. */
export function createRecord(event: Extract<RunEvent, { type: 'run-accepted' }>, at: string): RunRecord {
  return {
    plan: event.plan,
    number: event.number,
    state: 'accepted',
    raw: null,
    since: at,
    attempt: 1,
    prepared: [],
    wire: null,
    job: null,
    unsent: 0,
    isChecked: false,
    pauseRequested: false,
    cancelRequested: false,
    checkpoint: { step: null, resumes: 0 },
    cost: null,
    artifacts: [],
    deployment: null,
    notes: event.plan.notes,
    failure: null,
    times: { created: at, submitted: null, started: null, finished: null },
  };
}

/** The record after one more event. Throws where the transitions table forbids the event. */
export function foldEvent(record: RunRecord, event: RunEvent, at: string): RunRecord {
  const state = getNextState(record.state, event);
  const moved: RunRecord = {
    ...record,
    state,
    since: state === record.state ? record.since : at,
    times: isEnded(state) && record.times.finished === null ? { ...record.times, finished: at } : record.times,
  };
  return { ...moved, ...getChange(moved, event, at) };
}

/** What the plan says beside the training. */
export function getUnpaid({ spec, facts, jobFile }: RunPlan): UnpaidPlan {
  const { evaluation, references, budget, tags, data } = spec;
  return {
    ...(jobFile === undefined ? {} : { jobFile }),
    spec: { evaluation, ...(references === undefined ? {} : { references }), budget, tags },
    data: { test: data.test, testColumns: data.testColumns ?? {} },
    facts: { test: facts.test, warnings: facts.warnings },
  };
}

/** The plan of the same training with something else beside it. */
export function withUnpaid(plan: RunPlan, { spec, data, facts, jobFile }: UnpaidPlan): RunPlan {
  return {
    ...plan,
    ...(jobFile === undefined ? {} : { jobFile }),
    spec: { ...plan.spec, ...spec, data: { ...plan.spec.data, ...data } },
    facts: { ...plan.facts, ...facts },
  };
}

/** The fields that an event changes beside state and times. */
function getChange(record: RunRecord, event: RunEvent, at: string): Partial<RunRecord> {
  switch (event.type) {
    case 'run-accepted':
      throw new Error('a run is accepted once');
    case 'job-file-changed':
      return { plan: withUnpaid(record.plan, event.plan) };
    case 'submission-prepared':
      return { prepared: [...record.prepared.slice(0, event.attempt - 1), event.prepared], attempt: event.attempt };
    case 'submission-quoted': {
      const { isPricedLate: _, ...plan } = record.plan;
      return { plan: { ...plan, quote: event.quote } };
    }
    case 'submission-discarded':
      return { prepared: record.prepared.slice(0, event.attempt - 1), plan: { ...record.plan, quote: null, isPricedLate: true } };
    case 'submission-intended':
      return { wire: event.wire, failure: null };
    case 'submission-unsent':
      return { unsent: record.unsent + 1, failure: event.failure };
    case 'submission-unanswered':
      return {};
    case 'submission-disproved':
      return { attempt: event.attempt + 1, wire: null, unsent: 0 };
    case 'decision-made':
      if (event.decision === 'adopt') return { job: event.job, failure: null, times: { ...record.times, submitted: at } };
      return event.decision === 'absent' ? { attempt: record.attempt + 1, wire: null, unsent: 0, failure: null } : { failure: null };
    case 'submission-checked':
      return { job: event.job, isChecked: true };
    case 'checkpoint-seen':
      return { checkpoint: { step: event.step, resumes: 0 } };
    case 'pause-requested':
      return { pauseRequested: true };
    case 'resume-intended':
      // A person who lets a stopped run go on has repaired what stopped it: it gets its tries again.
      return {
        pauseRequested: false,
        failure: null,
        checkpoint: { ...record.checkpoint, resumes: isStopped(record) ? 0 : record.checkpoint.resumes + 1 },
      };
    case 'job-resumed':
      return { job: event.job };
    case 'submission-rejected':
    case 'attention-needed':
    case 'job-failed':
    case 'run-abandoned':
    case 'run-stopped':
      return { failure: event.failure };
    case 'job-submitted':
    case 'job-adopted':
      return { job: event.job, failure: null, times: { ...record.times, submitted: at } };
    case 'status-changed': {
      const { started, finished } = record.times;
      const times = { started: event.startedAt ?? started, finished: event.finishedAt ?? finished };
      return { raw: event.status.raw, times: { ...record.times, ...times } };
    }
    case 'artifact-found':
      return { artifacts: [...record.artifacts, event.artifact] };
    case 'cost-known':
      return { cost: event.cost };
    case 'deployment-intended': {
      const { name, until, charge, usdPerHour } = event;
      return { deployment: { name, since: at, until, charge, usdPerHour, model: null } };
    }
    case 'model-deployed':
      return { deployment: record.deployment && { ...record.deployment, model: event.model } };
    case 'model-undeployed':
      return { deployment: null };
    case 'note-added':
      return { notes: [...record.notes, event.note] };
    case 'cancel-requested':
      return { cancelRequested: true };
    case 'run-withdrawn':
      return {};
    default:
      return event satisfies never;
  }
}

/** Whether a run was stopped by a failure that a person can repair, and goes on when it is submitted, waited for or resumed. */
export function isStopped({ state, failure }: Pick<RunRecord, 'state' | 'failure'>): boolean {
  return state === 'paused' && failure !== null;
}

/** `job/target`, or `job/target#2` for a later run. */
export function toRunId({ plan, number }: Pick<RunRecord, 'plan' | 'number'>): string {
  const { job, target } = plan.spec;
  return number === 1 ? `${job}/${target}` : `${job}/${target}#${number}`;
}

export const hourMs = 3_600_000;

/** What so many hours of a deployment cost. Services charge by the hour: a started hour is paid in full. */
export function getHoursUsd(usdPerHour: number, ms: number): number {
  return Math.max(1, Math.ceil(ms / hourMs)) * usdPerHour;
}

/** What a deployment has cost so far, in dollars. */
export function getDeploymentUsd({ since, usdPerHour }: Pick<Deployment, 'since' | 'usdPerHour'>, now: Date): number {
  return getHoursUsd(usdPerHour, now.getTime() - Date.parse(since));
}

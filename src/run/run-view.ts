import type { Progress } from '../provider/job.ts';
import type { Note } from '../provider/note.ts';
import type { Deprecation } from '../provider/service.ts';
import type { FailureData } from '../errors.ts';
import type { MetricSummaries } from './metrics.ts';
import { getDeploymentUsd, toRunId, type RunRecord } from './record.ts';
import type { StoredRun } from './run-store.ts';
import { isEnded } from './transitions.ts';

/** A run as `--json` prints it: `orchestrate.run/1`. Fields are only ever added; an unknown value is null. */
export interface RunView {
  readonly schema: 'orchestrate.run/1';
  readonly id: string;
  readonly key: string;
  readonly job: string;
  readonly target: string;
  readonly number: number;
  readonly provider: string;
  readonly model: { readonly base: string; readonly revision: string | null };
  /** Nothing more will happen. */
  readonly terminal: boolean;
  /** Ended successfully. */
  readonly ok: boolean;
  /** A person has to decide how the run continues. */
  readonly attention: boolean;
  readonly status: { readonly phase: string; readonly raw: string | null; readonly since: string };
  readonly observed: {
    readonly at: string | null;
    readonly stale: boolean;
    readonly error: FailureData | null;
    readonly nextAt: string | null;
  };
  readonly progress: {
    readonly step: number | null;
    readonly steps: number | null;
    readonly epoch: number | null;
    readonly fraction: number | null;
    readonly rowsPerSecond: number | null;
    readonly loss: number | null;
    readonly etaSeconds: number | null;
    readonly etaSource: 'trainer' | null;
  };
  /** The run on this machine that has to end before this one starts. */
  readonly waitingFor: string | null;
  /** What is done before the first step, and how far that is, where it takes long. */
  readonly doing: string | null;
  readonly times: RunRecord['times'];
  readonly cost: {
    readonly currency: 'USD';
    readonly low: number | null;
    readonly high: number | null;
    /** The actual cost; null where it is not known. */
    readonly actual: number | null;
    /** The source of the planned prices, and their day. */
    readonly source: string | null;
    readonly asOf: string | null;
    /** How the actual cost was computed. */
    readonly actualSource: string | null;
  };
  readonly data: {
    readonly train: PartView;
    readonly validation: PartView | null;
    readonly test: Readonly<Record<string, PartView>>;
    readonly labels: readonly string[];
  };
  readonly metrics: MetricSummaries;
  readonly remote: { readonly id: string; readonly url: string | null } | null;
  readonly outputs: readonly {
    readonly kind: string;
    readonly uri: string;
    readonly sha256: string | null;
    readonly callAs: string | null;
  }[];
  /** When the service shuts down the model, as far as is known. */
  readonly endsOn: Deprecation | null;
  /** The current deployment of the model, if there is one. */
  readonly deployment: DeploymentView | null;
  readonly notes: readonly Note[];
  readonly failure: FailureData | null;
  readonly tags: Readonly<Record<string, string>>;
}

interface DeploymentView {
  /** The name by which requests call the model. */
  readonly name: string;
  /** Whether the service has reported that the model answers. */
  readonly isUp: boolean;
  /** When it was requested, and when it should end; ISO 8601, UTC. */
  readonly since: string;
  readonly until: string;
  readonly usdPerHour: number;
  /** What it has cost so far. */
  readonly usd: number;
  /** It should have ended, and still costs. */
  readonly overdue: boolean;
}

interface PartView {
  readonly sha256: string;
  readonly rows: number;
}

/** For a run that has not ended, a poll older than this is stale. */
const staleMs = 60_000;

export function toRunView(run: StoredRun, now: Date): RunView {
  const { record, lastPoll } = run;
  const { spec, facts, model } = record.plan;
  const terminal = isEnded(record.state);
  const progress = lastPoll?.progress ?? null;
  return {
    schema: 'orchestrate.run/1',
    id: toRunId(record),
    key: run.key,
    job: spec.job,
    target: spec.target,
    number: record.number,
    provider: spec.provider,
    model: { base: model.base, revision: model.revision },
    terminal,
    ok: record.state === 'succeeded',
    attention: record.state === 'attention',
    status: { phase: record.state, raw: record.raw, since: record.since },
    observed: {
      at: lastPoll?.at ?? null,
      stale: !terminal && (lastPoll?.at == null || now.getTime() - Date.parse(lastPoll.at) > staleMs),
      error: lastPoll?.error ?? null,
      nextAt: terminal ? null : (lastPoll?.nextPollAt ?? null),
    },
    progress: {
      step: progress?.step ?? null,
      steps: progress?.steps ?? null,
      epoch: progress?.epoch ?? null,
      fraction: getFraction(progress),
      rowsPerSecond: progress?.rowsPerSecond ?? null,
      loss: progress?.loss ?? null,
      etaSeconds: terminal ? null : (progress?.etaSeconds ?? null),
      etaSource: terminal || progress?.etaSeconds == null ? null : 'trainer',
    },
    waitingFor: terminal ? null : (lastPoll?.waitingFor ?? null),
    doing: terminal ? null : (lastPoll?.doing ?? null),
    times: record.times,
    cost: getCost(record),
    data: {
      train: toPartView(facts.train),
      validation: facts.validation === null ? null : toPartView(facts.validation),
      test: Object.fromEntries(Object.entries(facts.test).map(([name, part]) => [name, toPartView(part)])),
      labels: facts.labels,
    },
    metrics: run.metrics,
    remote: record.job === null ? null : { id: record.job.id, url: record.job.url },
    outputs: record.artifacts.map(({ kind, uri, sha256, model: output }) => ({
      kind,
      uri,
      sha256,
      callAs: record.deployment?.model?.name ?? (output.kind === 'endpoint' && output.needsDeployment !== true ? output.name : null),
    })),
    deployment: getDeploymentView(record, now),
    endsOn: record.plan.deprecation ?? null,
    notes: record.notes,
    failure: record.failure,
    tags: spec.tags,
  };
}

/** How much of the way is done, from 0 to 1; null where nobody can say. An older version may have stored steps beyond the last one. */
function getFraction(progress: Progress | null): number | null {
  const { step = 0, steps = null } = progress ?? {};
  return steps === null || !(steps > 0) || !(step >= 0) ? null : Math.min(1, step / steps);
}

function getDeploymentView({ deployment }: RunRecord, now: Date): DeploymentView | null {
  if (deployment === null) return null;
  const { name, since, until, usdPerHour, model } = deployment;
  const overdue = now.getTime() > Date.parse(until);
  return { name, isUp: model !== null, since, until, usdPerHour, usd: getDeploymentUsd(deployment, now), overdue };
}

/** The planned price and the actual cost. The cost is 0 where the price is 0, and where the run has ended without a job. */
function getCost({ cost, state, wire, job, plan: { quote } }: RunRecord): RunView['cost'] {
  const { low, high, source, asOf } = quote ?? { low: null, high: null, source: null, asOf: null };
  const isUnpaid = job === null && isEnded(state) && (wire === null || state === 'rejected');
  const known = cost ?? (high === 0 ? { usd: 0, source } : isUnpaid ? { usd: 0, source: 'no job was made' } : null);
  return { currency: 'USD', low, high, actual: known?.usd ?? null, source, asOf, actualSource: known?.source ?? null };
}

function toPartView({ sha256, rows }: { sha256: string; rows: number }): PartView {
  return { sha256, rows };
}

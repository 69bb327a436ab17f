import { toAnswer, type Answer } from '../answer.ts';
import type { RefusalName } from '../settings.ts';
import { findMinutePrice } from './hardware.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import { planHubJob } from './hub-job-life.ts';
import type { HubJob, JobRequest } from './hub-job.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { parseTask } from './parse-task.ts';
import { nextHex } from './repo-store.ts';
import { toWireHubJob } from './wire-hub-job.ts';

interface JobBody extends JobRequest {
  readonly secrets?: Readonly<Record<string, string>>;
}

/** What the Hub says where OpenAI says otherwise. */
const refusals: Readonly<Record<RefusalName, readonly [status: number, error: string]>> = {
  training_not_available: [403, 'You need a positive credit balance to run jobs'],
  model_not_available: [403, 'Your token does not have the permission to run jobs'],
  insufficient_quota: [402, 'Pre-paid credit balance is insufficient'],
  rate_limit_exceeded: [429, 'Too Many Requests'],
  invalid_api_key: [401, 'Invalid username or password.'],
  server_error: [503, 'Service Unavailable'],
};

/** Makes a job; from here on it costs. */
export function createHubJob(call: HubCall): Answer {
  const { account, service, nowMs, validator } = call;
  checkNamespace(call);
  const { secrets = {}, ...request } = parseHubBody<JobBody>(call, 'HubJob');
  if ((request.dockerImage === undefined) === (request.spaceId === undefined)) refuseInput('expected one of dockerImage and spaceId');
  if (findMinutePrice(request.flavor) === null) refuseInput('Invalid option: flavor');
  const { refuse: refusal } = account.settings;
  if (refusal !== null) refuseHub(...refusals[refusal]);
  const told = request.environment?.['ORCHESTRATE_JOB'];
  const job: HubJob = {
    id: nextHex(account, 24),
    createdMs: nowMs,
    request,
    secrets,
    task: told === undefined ? null : parseTask(validator, told),
    durationMs: account.settings.jobMs,
    stop: new AbortController(),
    log: [],
    labels: request.labels ?? {},
    moments: [],
    stage: 'SCHEDULING',
    message: null,
    startedMs: null,
    finishedMs: null,
    looks: 0,
    training: null,
    hasTrained: false,
  };
  account.hub.jobs.unshift(job);
  const { id, labels } = job;
  const { flavor, environment = {} } = request;
  account.bill.push({ kind: 'hub-job', at: new Date(nowMs).toISOString(), job: id, flavor, labels, environment });
  planHubJob({ account, service }, job);
  return toAnswer(toWireHubJob(job, account.name, nowMs));
}

function refuseInput(problem: string): never {
  return refuseHub(400, 'Invalid input', { more: { message: `✖ ${problem}` } });
}

/** Refuses the jobs of others. */
export function checkNamespace({ params, account }: HubCall): void {
  if (params['ns'] !== account.name) refuseHub(403, `You don't have the rights to run jobs in ${params['ns']}`);
}

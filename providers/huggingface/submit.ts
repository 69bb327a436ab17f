import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { fenceAttempt, isClaimed, readFence } from './claims.ts';
import { openHub, type Hub } from './client.ts';
import { claimedLine, program } from './container/program.ts';
import { classifier } from './container/classifier.ts';
import { launch } from './container/launch.ts';
import { parseEndpoint, formatLocation } from './endpoint.ts';
import { explain } from './failures.ts';
import { HubJob, listJobs, parseAnswer, toJobsPath } from './jobs-api.ts';
import { readNamespace } from './namespace.ts';
import { parseTask } from './parse-task.ts';
import { listFiles, removeRepository } from './repositories.ts';
import type { HubRequest, JobTask, Prepared, Wire } from './request.ts';
import { toIsoTime } from './to-iso-time.ts';

/** What stands in a job's labels to find it again. */
const keyLabel = 'orchestrate_key';
const attemptLabel = 'orchestrate_attempt';

/** The exact body of the call, with the name of the credential in the credential's place. */
export function bind(request: HubRequest, prepared: Prepared, key: RunKey, attempt: number): Wire {
  const { flavor, image, timeoutSeconds, name } = request;
  const task = toJobTask(request, prepared);
  return {
    endpoint: prepared.endpoint,
    namespace: prepared.namespace,
    output: prepared.output,
    body: {
      command: ['bash', '-c', launch],
      arguments: [program, ...(task.engine === 'transformers' ? [classifier] : [])],
      environment: {
        ORCHESTRATE_JOB: JSON.stringify(task),
        ALLOW_REMOTE_CODE: 'false',
        HF_HUB_DISABLE_TELEMETRY: '1',
        PYTHONUNBUFFERED: '1',
        TOKENIZERS_PARALLELISM: 'false',
      },
      flavor,
      dockerImage: image,
      secrets: { HF_TOKEN: { $secret: 'HF_TOKEN' } },
      timeoutSeconds,
      attempts: 1,
      labels: { name, [keyLabel]: key, [attemptLabel]: String(attempt) },
    },
  };
}

const textColumns = { labels: 'text', messages: 'messages', completion: 'prompt', preference: 'chosen', conversations: 'chosen' } as const;

function toJobTask({ engine, task, model, parameters, rows, labels, maxLength }: HubRequest, { dataset, output }: Prepared): JobTask {
  const { repo, revision, hasValidation } = dataset;
  return {
    version: 1,
    engine,
    task,
    dataset: {
      repo,
      revision,
      train: 'train.jsonl',
      validation: hasValidation ? 'validation.jsonl' : null,
      textColumn: textColumns[rows.format],
      ...(rows.format === 'labels' ? { labelColumn: 'label' } : {}),
      ...(rows.isPair && rows.format === 'labels' ? { pairColumn: 'text2' } : {}),
    },
    ...(labels.length === 0 ? {} : { labels }),
    maxLength,
    model: { base: model.base, ...(model.revision === null ? {} : { revision: model.revision }) },
    output: { repo: output },
    parameters,
  };
}

/** The one call that may cost, sent once. */
export async function create(wire: Wire, context: Attempt): Promise<JobRef> {
  if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before the job was sent'));
  const { hub, secrets } = await openCreate(wire, context);
  const path = toJobsPath(wire.namespace);
  try {
    const { json } = await hub.request('POST', path, { ...wire.body, secrets });
    return toJobRef(parseAnswer(HubJob, json, `POST ${path}`), wire, context);
  } catch (error) {
    throw toSubmitFailure(error, { what: `POST ${hub.endpoint}${path}`, redact: hub.redact, now: context.now() });
  }
}

/** What is looked at before the call; whatever goes wrong here, nothing was sent. */
async function openCreate(wire: Wire, context: Attempt): Promise<{ hub: Hub; secrets: Record<string, string> }> {
  try {
    const hub = openHub(context);
    if (wire.endpoint !== hub.endpoint) {
      throw new Failure('configuration-invalid', `HF_ENDPOINT: expected ${wire.endpoint}, where the rows are, found ${hub.endpoint}`);
    }
    const secrets = Object.entries(wire.body.secrets).map(([name, { $secret }]) => {
      const secret = context.credential($secret);
      if (secret === null) throw new Failure('credentials-invalid', `${$secret}: expected a credential, found none`);
      return [name, secret.reveal()] as const;
    });
    if (await isClaimed(hub, wire.output)) throw new SubmitFailure('refused', new Failure('request-refused', claimedLine));
    return { hub, secrets: Object.fromEntries(secrets) };
  } catch (error) {
    throw isFailure(error) ? new SubmitFailure('no', error) : error;
  }
}

function toSubmitFailure(error: unknown, info: { what: string; redact: (text: string) => string; now: Date }): SubmitFailure {
  const { sent, failure } = toSendOutcome(error, info);
  const reported = explain(failure);
  // "Payment required", in the service's own words: no job was made.
  if (/: expected success, found 402 with (?!a body that is|no reason)/.test(failure.message)) {
    return new SubmitFailure(
      'refused',
      new Failure('quota-exhausted', reported.message, reported.hint === null ? {} : { hint: reported.hint }),
    );
  }
  return new SubmitFailure(sent, reported);
}

/** The run's jobs, in every stage and on all pages; without those that came after the fence of their attempt and train nothing. */
export async function find(request: HubRequest, prepared: readonly Prepared[], context: Attempt): Promise<JobRef[]> {
  context.signal.throwIfAborted();
  const hub = openHub(context);
  const namespaces = new Set(prepared.filter(({ endpoint }) => endpoint === hub.endpoint).map(({ namespace }) => namespace));
  if (namespaces.size === 0) namespaces.add(await readNamespace(hub, request.namespace, context));
  const found: JobRef[] = [];
  for (const namespace of namespaces) {
    const jobs = await listJobs(hub, namespace, [keyLabel, context.key]);
    // A service that does not know the filter lists all of them.
    const own = jobs.filter(({ labels }) => labels?.[keyLabel] === context.key);
    const fenced = await readFences(hub, own);
    const live = own.filter((job) => {
      const since = fenced.get(parseTask(job)?.output.repo ?? '') ?? null;
      return since === null || (toIsoTime(job.createdAt) ?? since) <= since;
    });
    found.push(...live.map((job) => toJobRef(job, { endpoint: hub.endpoint, namespace }, context)));
  }
  return found;
}

/** Since when the attempts of these jobs are fenced, by the repositories of their models. */
async function readFences(hub: Hub, jobs: readonly HubJob[]): Promise<Map<string, string | null>> {
  const outputs = new Set(jobs.flatMap((job) => parseTask(job)?.output.repo ?? []));
  const fences = new Map<string, string | null>();
  for (const output of outputs) fences.set(output, await readFence(hub, output));
  return fences;
}

function toJobRef(job: HubJob, { endpoint, namespace }: Pick<Wire, 'endpoint' | 'namespace'>, context: Attempt): JobRef {
  const attempt = Number(job.labels?.[attemptLabel]);
  return {
    provider: 'huggingface',
    id: job.id,
    location: formatLocation(endpoint, namespace),
    attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : context.attempt,
    createdAt: toIsoTime(job.createdAt) ?? context.now().toISOString(),
    url: `${endpoint}/jobs/${namespace}/${encodeURIComponent(job.id)}`,
  };
}

/** Makes the claim that a late job of the attempt would have to make first: it then ends at once, and trains nothing. */
export async function fence(prepared: Prepared, context: Attempt): Promise<void> {
  await fenceAttempt(openHub(context), prepared.output);
}

/** Deletes the attempt's model repository where it is still empty. The rows stay: another run may use them. */
export async function discard(prepared: Prepared, context: Attempt): Promise<void> {
  if (prepared.endpoint !== parseEndpoint(context)) return;
  const hub = openHub(context);
  const repo = { type: 'model', name: prepared.output } as const;
  const files = await listFiles(hub, repo, 'main');
  if (files !== null && files.every(({ path }) => path === '.gitattributes')) await removeRepository(hub, repo);
}

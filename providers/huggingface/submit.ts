import { createHash } from 'node:crypto';
import type { Attempt } from '../../src/provider/context.ts';
import type { JobRef } from '../../src/provider/job.ts';
import type { RequestPreview } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import { Failure, isFailure } from '../../src/errors.ts';
import { toSendOutcome } from '../../src/provider-kit/http.ts';
import { parseAnswer, toIsoTime } from '../../src/provider-kit/json.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { readNamespace } from './account.ts';
import { fenceAttempt, isClaimed, readFence } from './claims.ts';
import { formatCommand } from './container.ts';
import { explain, formatLocation, openHub, parseEndpoint, type Hub } from '../../src/provider-kit/hub.ts';
import { formatJobsPath, HubJob, listJobs, parseTask } from './jobs.ts';
import { formatModelName } from './names.ts';
import { listFiles } from '../../src/provider-kit/hub-files.ts';
import { removeRepository } from './repositories.ts';
import type { HubRequest, JobTask, Prepared, Wire } from './request.ts';

/** Labels by which a job is found again. */
const keyLabel = 'orchestrate_key';
const attemptLabel = 'orchestrate_attempt';

/** The exact body of the call, with the name of the credential in the credential's place. */
export function bind(request: HubRequest, prepared: Prepared, key: RunKey, attempt: number): Wire {
  const { engine, flavor, image, timeoutSeconds, name } = request;
  return {
    endpoint: prepared.endpoint,
    namespace: prepared.namespace,
    output: prepared.output,
    body: {
      ...formatCommand(engine),
      environment: {
        ORCHESTRATE_JOB: JSON.stringify(toJobTask(request, prepared)),
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

/**
 * The repositories, the files and the job of a submission, in their order. The account and the hash of the rows are known once it begins;
 * the texts of the programs in the container are named by their SHA-256.
 */
export function preview(request: HubRequest, { key, facts }: { readonly key: RunKey; readonly facts: DataFacts }): RequestPreview[] {
  const namespace = request.namespace ?? '<account>';
  const dataset = `${namespace}/orchestrate-data-<hash of the rows>`;
  const output = `${namespace}/${formatModelName(request.name, key, 1)}`;
  const hasValidation = facts.validation !== null;
  const prepared: Prepared = { endpoint: '', namespace, dataset: { repo: dataset, revision: '<commit>', hasValidation }, output };
  const { body } = bind(request, prepared, key, 1);
  const toRepository = (type: 'dataset' | 'model', repository: string): RequestPreview => ({
    what: 'POST /api/repos/create',
    body: { type, name: repository, private: request.private },
  });
  return [
    toRepository('dataset', dataset),
    {
      what: `POST /api/datasets/${dataset}/commit/main`,
      body: { files: ['README.md', 'train.jsonl', ...(hasValidation ? ['validation.jsonl'] : [])] },
    },
    toRepository('model', output),
    {
      what: `POST /api/jobs/${namespace}`,
      body: {
        ...body,
        arguments: body.arguments.map((text) => (text.includes('\n') ? describeProgram(text) : text)),
        environment: { ...body.environment, ORCHESTRATE_JOB: toJobTask(request, prepared) },
        secrets: { HF_TOKEN: '<HF_TOKEN>' },
      },
    },
  ];
}

function describeProgram(text: string): string {
  const hash = createHash('sha256').update(text).digest('hex');
  return `<program of ${text.trimEnd().split('\n').length} lines, SHA-256 ${hash.slice(0, 16)}…>`;
}

/** The one call that may cost, sent once. */
export async function create(wire: Wire, context: Attempt): Promise<JobRef> {
  if (context.signal.aborted) throw new SubmitFailure('no', new Failure('interrupted', 'interrupted before the job was sent'));
  const { hub, secrets } = await openCreate(wire, context);
  const path = formatJobsPath(wire.namespace);
  try {
    const { json } = await hub.request('POST', path, { ...wire.body, secrets });
    return toJobRef(parseAnswer(HubJob, json, `POST ${path}`), wire, context);
  } catch (error) {
    const { sent, failure } = toSendOutcome(error, hub.describe('POST', path));
    throw new SubmitFailure(sent, explain(failure));
  }
}

/** What is checked before the call. Whatever goes wrong here, nothing was sent. */
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
    if (!(await isClaimed(hub, wire.output))) return { hub, secrets: Object.fromEntries(secrets) };
  } catch (error) {
    throw isFailure(error) ? new SubmitFailure('no', error) : error;
  }
  const message = `the attempt of ${wire.output} is claimed already: another job of it would train nothing`;
  throw new SubmitFailure('refused', new Failure('request-refused', message));
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

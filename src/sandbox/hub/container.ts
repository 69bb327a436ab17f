import { toStreamKey, toUniform } from '../../lib/random.ts';
import { isHubToken, type AccountState, type Service } from '../service.ts';
import { formatLines, hiddenFailureLines, type Printed } from './figure-lines.ts';
import { addCommit, buildLfsFile, buildRegularFile, findCommit, findReadableRepo, isOwnName, isStoredName, mainBranch } from './repos.ts';
import type { HubJob, Repo } from './state.ts';
import type { Figures, JobTask, TrainedModel, TrainingTask } from './train-model.ts';

/** How the program in a container goes, and what it brings to the model's repository at its end. */
export interface Outcome {
  readonly exitCode: number;
  readonly lines: readonly string[];
  readonly model: { readonly owner: AccountState; readonly repo: Repo; readonly files: ReadonlyMap<string, Uint8Array> } | null;
  /** It has ended at once: there was nothing to train. */
  readonly isQuick: boolean;
}

interface Place {
  readonly account: AccountState;
  readonly service: Service;
}

const claimBranch = 'orchestrate-claim';
const claimed: Printed = {
  type: 'training-failed',
  code: 'request-refused',
  message: 'this attempt is claimed already, by another job or because the program gave it up: nothing was trained',
  hint: 'see the other job, or submit again with --again',
};

/**
 * Does what our own program does in a container: claims the model's repository, fetches the rows, trains, uploads. No command is ever
 * executed. A job without a task ends with 0 and says nothing.
 */
export function runContainer({ account, service }: Place, job: HubJob, nowMs: number): Outcome | Promise<Outcome> {
  const { task } = job;
  if (task === null) return { exitCode: 0, lines: [], model: null, isQuick: false };
  const endQuickly = (exitCode: number, printed: readonly Printed[]): Outcome => ({
    exitCode,
    lines: formatLines(printed, nowMs),
    model: null,
    isQuick: true,
  });
  if (typeof task === 'string') return endQuickly(1, listFailure(`json.decoder.JSONDecodeError: ORCHESTRATE_JOB: ${task}`));
  const token = job.secrets['HF_TOKEN'] ?? '';
  if (!isHubToken(token)) return endQuickly(1, listFailure("KeyError: 'HF_TOKEN'"));
  const owner = service.findAccount(token);
  const repo = findReadableRepo(service, owner, { type: 'model', name: task.output.repo });
  const main = repo === null ? null : findCommit(repo, mainBranch);
  if (repo === null || main === null || !isOwnName(owner, repo.name)) return endQuickly(1, listFailure(formatMissing(task.output.repo)));
  if (repo.branches.has(claimBranch)) return endQuickly(3, [claimed]);
  repo.branches.set(claimBranch, main.oid);
  const rows = findRows(service, owner, task);
  if (typeof rows === 'string') return endQuickly(1, listFailure(rows));
  job.hasTrained = true;
  return train({ account, service }, job, { task, owner, repo, rows, nowMs });
}

function formatMissing(name: string): string {
  return `huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. Repository Not Found for ${name}`;
}

/** An exception of Python, and what our program says about it. */
function listFailure(error: string): Printed[] {
  const failed: Printed = {
    type: 'training-failed',
    code: 'training-failed',
    message: `the training program failed: ${error}`,
    hint: null,
  };
  return ['Traceback (most recent call last):', '  File "<string>", line 1, in <module>', ...error.split('\n'), failed];
}

/** The files of the dataset, or why they cannot be read. */
function findRows(service: Service, owner: AccountState, { dataset }: JobTask): TrainingTask['rows'] | string {
  const repo = findReadableRepo(service, owner, { type: 'dataset', name: dataset.repo });
  const files = repo === null ? undefined : findCommit(repo, dataset.revision)?.files;
  if (files === undefined) return formatMissing(`${dataset.repo} at ${dataset.revision}`);
  const train = files.get(dataset.train)?.bytes;
  const validation = dataset.validation == null ? null : files.get(dataset.validation)?.bytes;
  if (train === undefined || validation === undefined) return `FileNotFoundError: ${dataset.repo} has no ${dataset.train}`;
  return { train, validation };
}

interface Training {
  readonly task: JobTask;
  readonly owner: AccountState;
  readonly repo: Repo;
  readonly rows: TrainingTask['rows'];
  readonly nowMs: number;
}

async function train({ account, service }: Place, job: HubJob, { task, owner, repo, rows, nowMs }: Training): Promise<Outcome> {
  const { hiddenFailure, jobError, blockModel } = account.settings;
  const { engine } = task;
  const end = (exitCode: number, printed: readonly Printed[], model: Outcome['model'] = null): Outcome => {
    const started: Printed = { type: 'engine-started', engine, task: task.task };
    return { exitCode, lines: formatLines([started, ...printed], nowMs), model, isQuick: false };
  };
  // A container that ends with 0 although nothing was trained: what the service says about it must not count.
  if (hiddenFailure) return end(0, hiddenFailureLines);
  try {
    if (jobError !== null) throw new Error(`${jobError.code}: ${jobError.message}`);
    const signal = AbortSignal.any([service.signal, job.stop.signal]);
    const isClassifier = task.task === 'text-classification';
    const { files, figures } = isClassifier ? await trainClassifier(service, owner, { task, rows, signal }) : imitateTraining(task, rows);
    const printed = figures.map((figure): Printed => ({ type: 'values-measured', ...figure }));
    if (blockModel) return end(0, printed);
    const made = new Map([...files, ['README.md', buildCard(task, figures)]]);
    return end(0, [...printed, { type: 'model-uploaded', repository: repo.name }], { owner, repo, files: made });
  } catch (error) {
    return end(1, listFailure(error instanceof Error ? error.message : String(error)));
  }
}

async function trainClassifier(service: Service, owner: AccountState, training: Omit<TrainingTask, 'base'>): Promise<TrainedModel> {
  if (service.trainModel === null) throw new Error('RuntimeError: this sandbox was started without a trainer');
  const { base: name, revision = mainBranch } = training.task.model;
  const repo = findReadableRepo(service, owner, { type: 'model', name });
  const files = [...((repo === null ? null : findCommit(repo, revision))?.files ?? [])];
  const hasWeights = files.some(([path]) => path.endsWith('.safetensors'));
  const base = hasWeights ? new Map(files.map(([path, { bytes }]) => [path, bytes])) : null;
  return await service.trainModel({ ...training, base });
}

const imitatedSteps = 6;

/** What a job on chats leaves behind here: figures of a curve that falls, and an adapter without weights. Nothing is computed. */
function imitateTraining({ task, model }: JobTask, rows: TrainingTask['rows']): TrainedModel {
  const figures = Array.from({ length: imitatedSteps }, (_, i): Figures => {
    const [step, noise] = [i + 1, toUniform(toStreamKey(rows.train.length, 'figures'), i)];
    const loss = 0.5 + 2 * Math.exp(-i / 2) + 0.1 * noise;
    const preference = task === 'dpo' ? { 'rewards/accuracies': Math.min(1, 0.5 + 0.1 * i), 'rewards/margins': 0.2 * i } : {};
    const common = {
      loss,
      grad_norm: 1 + noise,
      learning_rate: 1e-4 * (1 - step / imitatedSteps),
      mean_token_accuracy: Math.exp(-loss / 1.5),
    };
    return { step, steps: imitatedSteps, values: { ...common, ...preference, epoch: step / imitatedSteps } };
  });
  const config = { base_model_name_or_path: model.base, peft_type: 'LORA', task_type: 'CAUSAL_LM', r: 4, target_modules: ['q_proj'] };
  const header = Buffer.from('{}'.padEnd(8));
  const weights = Buffer.concat([Buffer.from([header.length, 0, 0, 0, 0, 0, 0, 0]), header]);
  const files = { 'adapter_config.json': Buffer.from(JSON.stringify(config)), 'adapter_model.safetensors': weights };
  return { files: new Map(Object.entries(files)), figures };
}

/** README.md of a model as AutoTrain writes it, with the figures of the last validation. */
function buildCard({ engine, task, model, output }: JobTask, figures: readonly Figures[]): Buffer {
  const last = figures.findLast(({ values }) => 'eval_loss' in values);
  const measures = Object.entries(last?.values ?? {}).filter(([name]) => /^eval_(?!runtime|.*_per_second)/.test(name));
  const lines = measures.map(([name, value]) => `${name.slice('eval_'.length)}: ${value}`);
  const shown = lines.length === 0 ? 'No validation metrics available' : lines.join('\n\n');
  const head = `---\nlibrary_name: ${task === 'text-classification' ? 'transformers' : 'peft'}\ntags:\n- ${engine}\n- ${task}\n`;
  return Buffer.from(`${head}base_model: ${model.base}\n---\n\n# ${output.repo}\n\n## Validation Metrics\n${shown}\n`);
}

/** Brings a model to its repository, all of it in one commit. */
export function commitModel({ owner, repo, files }: NonNullable<Outcome['model']>, nowMs: number): void {
  const made = [...files].map(([path, bytes]) => {
    const content = Buffer.from(bytes);
    return [path, isStoredName(path) ? buildLfsFile(content) : buildRegularFile(content)] as const;
  });
  const tree = new Map([...(findCommit(repo, mainBranch)?.files ?? []), ...made]);
  addCommit(owner, repo, { branch: mainBranch, title: 'The tuned model', message: '', nowMs, tree });
}

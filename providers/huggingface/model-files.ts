import type { Metric } from '../../src/provider/metric.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Hub } from './client.ts';
import { toMetricKey } from './log-metrics.ts';
import { parseModelCard } from './parse-model-card.ts';
import type { Measurement } from './parse-metrics.ts';
import { parseTrainerState } from './parse-trainer-state.ts';
import { listFiles, readCommit, type HubFile, type Repository } from './repositories.ts';
import { toAnswerFailure } from './answer-failure.ts';

/** A whole model at one commit. */
export interface FinishedModel {
  readonly repository: string;
  readonly revision: string;
  readonly files: readonly HubFile[];
}

const weights = /^(?:model|adapter_model|pytorch_model)[\w.-]*\.(?:safetensors|bin)$/;

/** The model, once its repository holds weights and a README; the program in the container brings both in one commit. */
export async function findModel(hub: Hub, name: string): Promise<FinishedModel | null> {
  const repo: Repository = { type: 'model', name };
  const revision = await readCommit(hub, repo);
  const files = revision === null ? null : await listFiles(hub, repo, revision);
  if (revision === null || files === null) return null;
  const isWhole = files.some(({ path, size }) => weights.test(path) && size > 0) && files.some(({ path }) => path === 'README.md');
  return isWhole ? { repository: name, revision, files } : null;
}

/** Where a file of a model is. */
export function toFilePath({ repository, revision }: Pick<FinishedModel, 'repository' | 'revision'>, path: string): string {
  return `/${repository}/resolve/${revision}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

async function readText(hub: Hub, model: FinishedModel, path: string): Promise<string> {
  const address = toFilePath(model, path);
  return await hub.call(`GET ${address}`, async () => {
    const response = await hub.send(address);
    const text = await response.text();
    if (!response.ok) throw toAnswerFailure(response.status, text, `GET ${address}`);
    return text;
  });
}

/** The measures beside a model that the log did not tell: of its newest checkpoint's state, then of its card. */
export async function readFileMetrics(
  hub: Hub,
  model: FinishedModel,
  { reported, at }: { readonly reported: readonly Metric[]; readonly at: string },
): Promise<{ metrics: Metric[]; notes: readonly Note[] }> {
  const path = findState(model.files);
  const state = path === null ? null : parseTrainerState(await readText(hub, model, path));
  const card = parseModelCard(await readText(hub, model, 'README.md'));
  const keys = new Set(reported.map(toMetricKey));
  const metrics: Metric[] = [];
  for (const measurement of [...(state?.metrics ?? []), ...card]) {
    const key = toMetricKey(measurement);
    if (keys.has(key) || isReported(measurement, reported)) continue;
    keys.add(key);
    metrics.push({ ...measurement, at });
  }
  return { metrics, notes: reported.length === 0 ? (state?.notes ?? []) : [] };
}

/** A log gives some measures by the epoch alone, rounded. */
function isReported({ split, name, epoch }: Measurement, reported: readonly Metric[]): boolean {
  if (epoch === null) return false;
  return reported.some(
    (one) => one.name === name && one.split === split && one.step === null && one.epoch !== null && Math.abs(one.epoch - epoch) < 0.006,
  );
}

function findState(files: readonly HubFile[]): string | null {
  const states = files.flatMap(({ path }) => {
    const step = /^checkpoint-(\d{1,12})\/trainer_state\.json$/.exec(path)?.[1];
    return step === undefined ? [] : [{ path, step: Number(step) }];
  });
  return states.sort((a, b) => b.step - a.step)[0]?.path ?? null;
}

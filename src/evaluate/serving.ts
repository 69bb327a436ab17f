/** A model of this machine that is to answer requests: that of a run, or a folder. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { ChatPrompt } from '../dataset/chat.ts';
import { Failure } from '../errors.ts';
import type { OpenModel } from '../provider/open-model.ts';
import { toModelName } from '../provider/model-name.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunId } from '../run/record.ts';
import type { Workspace } from '../run/workspace.ts';
import { downloadModel, filterTuned, getTunedClient } from './models.ts';

export interface OpenedModel {
  readonly model: OpenModel;
  /** How the model is called: the run, or the folder. */
  readonly name: string;
  /** How texts became messages in the job; absent for a folder, of which nobody knows. */
  readonly question?: { readonly prompt: ChatPrompt | null; readonly isPair: boolean };
}

/**
 * Opens the model of a folder, or else that of the run of this address.
 * @throws Failure `run-not-found`, `usage` for several runs, `model-unavailable` for a model elsewhere, and as `Inference.open`
 */
export async function openServedModel(
  workspace: Workspace,
  source: string,
  findRuns: () => Promise<readonly StoredRun[]>,
): Promise<OpenedModel> {
  const { provider, context } = workspace;
  const open = provider('local', 'model').inference!.open!;
  if (existsSync(join(source, 'config.json'))) {
    const path = resolve(source);
    return { model: await open({ kind: 'folder', path }, context), name: basename(path) };
  }
  if (existsSync(join(source, 'adapter_config.json'))) {
    throw new Failure('model-invalid', `${source} holds an adapter without its base model`, {
      hint: `\`orchestrate merge ${source} --out FOLDER\` makes one model of both`,
    });
  }
  const [run, ...others] = filterTuned(await findRuns(), source);
  const name = toRunId(run.record);
  if (others.length > 0) {
    const names = [run, ...others].map(({ record }) => toRunId(record)).join(', ');
    throw new Failure('usage', `expected one run, found ${names}`, { hint: 'name one of them' });
  }
  const client = getTunedClient(workspace, run);
  const model = client.model.kind === 'repository' ? await downloadModel(client, client.model, context) : client.model;
  if (model.kind !== 'folder') {
    throw new Failure('model-unavailable', `${name} answers at its service, as ${toModelName(model)}`, {
      hint: 'ask it there; this machine serves models that it trained or downloaded',
    });
  }
  const { prompt, data } = run.record.plan.spec;
  return { model: await open(model, context), name, question: { prompt: prompt ?? null, isPair: data.columns['text2'] !== undefined } };
}

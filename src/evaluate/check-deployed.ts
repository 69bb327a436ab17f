import type { ModelRef } from '../provider/model.ts';
import { Failure } from '../errors.ts';
import type { StoredRun } from '../run/run-store.ts';
import { toRunId } from '../run/record.ts';
import type { EvaluationWorkspace } from './held-out.ts';
import { findOpenQuestions, type Ask } from './open-questions.ts';

/** The tuned model of a run, by the name of its deployment where it has one: its answers are kept under the same key. */
export function toTunedModel({ record: { artifacts, deployment } }: StoredRun): ModelRef {
  return deployment?.model ?? artifacts[0]!.model;
}

/**
 * That no question is left for a model of these runs that answers only while it is deployed, and is not. Answers that are kept need no
 * deployment.
 * @throws Failure `model-unavailable`, with the command that deploys it
 */
export async function checkDeployed(
  { store }: Pick<EvaluationWorkspace, 'store'>,
  runs: readonly StoredRun[],
  asks: readonly Ask[],
): Promise<void> {
  const needy = runs.filter(({ record: { artifacts, deployment } }) => {
    const model = artifacts[0]?.model;
    return model?.kind === 'endpoint' && model.needsDeployment === true && deployment?.model == null;
  });
  if (needy.length === 0) return;
  const open = new Set((await findOpenQuestions(store, asks)).map(({ client }) => client.model.identity));
  const ids = needy.filter((run) => open.has(toTunedModel(run).identity)).map(({ record }) => toRunId(record));
  if (ids.length === 0) return;
  const commands = ids.map((id) => `\`orchestrate deploy ${id} --hours 1\``).join(', ');
  throw new Failure(
    'model-unavailable',
    `${ids.join(', ')}: the service answers with a tuned model only while it is deployed; nothing was asked`,
    {
      hint: `deploy it first, which costs by the hour: ${commands}`,
    },
  );
}

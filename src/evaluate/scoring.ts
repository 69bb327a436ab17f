import { isFailure } from '../errors.ts';
import { isMeasure } from '../job/measures.ts';
import type { Context } from '../provider/context.ts';
import type { Provider } from '../provider/provider.ts';
import { formatPriceSetting } from '../run/budget.ts';
import type { RunPlan } from '../run/event.ts';
import type { Workspace } from '../run/workspace.ts';
import { getPromptSettings } from './models.ts';
import { toPredictionContext } from './requests.ts';

/** Whether the model of a plan can be scored once it is trained. */
export interface Scoring {
  /** Held-out rows. */
  readonly rows: number;
  /** The longest answer, in tokens; null where answers are not generated. */
  readonly maxTokens: number | null;
  /** Why it cannot be scored as things are, and what to do; null where it can. */
  readonly problem: string | null;
}

/** What is known about scoring before anything is trained or paid. Sends nothing. */
export async function describeScoring(workspace: Pick<Workspace, 'provider' | 'context'>, plan: RunPlan): Promise<Scoring> {
  const { spec, facts } = plan;
  const provider = workspace.provider(spec.provider, spec.target);
  const rows = Object.values(facts.test).reduce((sum, part) => sum + part.rows, 0);
  const isGenerated = provider.inference?.quote !== undefined;
  return {
    rows,
    maxTokens: isGenerated ? (getPromptSettings(plan).generation.maxTokens ?? null) : null,
    problem: findProblem(provider, plan, rows) ?? (isGenerated ? await findPriceProblem(provider, plan, workspace.context) : null),
  };
}

function findProblem({ inference }: Provider, { spec, facts }: RunPlan, rows: number): string | null {
  if (!isMeasure(spec.evaluation.measure)) return `the task "${spec.task}" is not scored`;
  if (rows === 0) return 'there are no held-out rows: add data.test to the job file, now or after the training';
  if (inference?.predict !== undefined) return null;
  if (inference?.download === undefined) return 'its provider answers no rows';
  return facts.labels.length > 0 ? null : 'its model writes text, and this machine can run classifiers only';
}

/** A tuned model costs what its base costs. Settings that are missing now are told where they are needed. */
async function findPriceProblem({ inference, training }: Provider, plan: RunPlan, context: Context): Promise<string | null> {
  try {
    const model = training.baseModel?.(plan.request, context) ?? null;
    if (model === null) return null;
    const row = { id: 'a', messages: [{ role: 'user', content: 'a' }] };
    if ((await inference!.quote!(model, [row], toPredictionContext(context, getPromptSettings(plan)))) !== null) return null;
    const base = model.kind === 'endpoint' ? model.base : plan.model.base;
    return `no price is known for its answers: ${formatPriceSetting([base], ['input', 'output'])}, now or after the training`;
  } catch (error) {
    if (isFailure(error) && error.code !== 'unexpected' && error.code !== 'interrupted') return null;
    throw error;
  }
}

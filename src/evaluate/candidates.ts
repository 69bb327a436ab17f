import type { ModelRef } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import type { ModelClient, PromptSettings } from './prompt-settings.ts';
import type { Candidate } from './compare.ts';
import type { ModelCache } from './model-cache.ts';
import { toQuestion, type AskedRow, type PredictRequest } from './to-question.ts';
import { hashJson } from '../lib/json.ts';

/** A finished run with its model before and after. */
export interface Contender_ {
  /** The target's name. */
  readonly name: string;
  /** The run's address. */
  readonly run: string;
  readonly provider: Provider;
  readonly settings: PromptSettings;
  readonly untrained: ModelRef | null;
  readonly tuned: ModelRef;
  /** Where these two are brought to if they are in a repository. */
  readonly caches: { readonly tuned: ModelCache; readonly untrained: ModelCache };
  /** What the training has cost, in dollars; null where that is not known. */
  readonly trainingUsd: number | null;
}

/** A model that is scored, with what it is asked: one question a row, in the rows' order. */
export interface Candidate_ {
  readonly name: string;
  readonly kind: Exclude<Candidate['kind'], 'majority'>;
  readonly run: string | null;
  readonly client: ModelClient;
  readonly questions: readonly PredictRequest[];
  readonly trainingUsd: number | null;
}

/** The models of the runs, each beside the one that it was tuned from. Runs that begin with the same model share it: it is asked once. */
export function toEntrants(contenders: readonly Contender_[], rows: readonly AskedRow[]): Candidate_[] {
  const toAsked = ({ provider, settings }: Contender_, model: ModelRef, cache: ModelCache): Pick<Candidate_, 'client' | 'questions'> => {
    const client = { provider, model, settings, cache };
    return { client, questions: rows.map((row) => toQuestion(client, row)) };
  };
  const bases = new Map<string, string[]>(); // by their questions: the names of the runs that begin with one
  const entrants = contenders.flatMap((contender) => {
    const { name, run, trainingUsd } = contender;
    const tuned = { name, kind: 'tuned', run, trainingUsd, ...toAsked(contender, contender.tuned, contender.caches.tuned) } as const;
    if (contender.untrained === null) return [tuned];
    const asked = toAsked(contender, contender.untrained, contender.caches.untrained);
    const identity = hashJson(asked.questions.map(({ id }) => id));
    const known = bases.get(identity);
    if (known !== undefined) {
      known.push(name);
      return [tuned];
    }
    const sharers = [name];
    bases.set(identity, sharers);
    return [{ sharers, kind: 'untrained', run: null, trainingUsd: 0, ...asked } as const, tuned];
  });
  return entrants.map((entrant) => {
    if (entrant.kind === 'tuned') return entrant;
    const { sharers, ...rest } = entrant;
    return { ...rest, name: toBaseName(rest.client.model, sharers, contenders.length === 1) };
  });
}

function toBaseName({ kind }: ModelRef, sharers: readonly string[], isOnly: boolean): string {
  if (kind === 'endpoint') return `base of ${sharers.join(' and ')}`;
  return isOnly ? 'untrained head' : `untrained head of ${sharers[0]!}`;
}

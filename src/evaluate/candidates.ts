import type { ModelRef } from '../provider/model.ts';
import type { Provider } from '../provider/provider.ts';
import { toJsonHash } from '../job/run-key.ts';
import type { Answerer, Asking } from './prompt-settings.ts';
import type { Candidate } from './compare.ts';
import type { ModelHome } from './model-cache.ts';
import { toQuestion, type AskedRow, type Question } from './to-question.ts';

/** A finished run with its model before and after. */
export interface Contender {
  /** The target's name. */
  readonly name: string;
  /** The run's address. */
  readonly run: string;
  readonly provider: Provider;
  readonly asking: Asking;
  readonly untrained: ModelRef | null;
  readonly tuned: ModelRef;
  /** Where these two are brought to if they are in a repository. */
  readonly homes: { readonly tuned: ModelHome; readonly untrained: ModelHome };
  /** What the training has cost, in dollars; null where that is not known. */
  readonly trainingUsd: number | null;
}

/** A model that is scored, with what it is asked: one question a row, in the rows' order. */
export interface Entrant {
  readonly name: string;
  readonly kind: Exclude<Candidate['kind'], 'majority'>;
  readonly run: string | null;
  readonly answerer: Answerer;
  readonly questions: readonly Question[];
  readonly trainingUsd: number | null;
}

/** The models of the runs, each beside the one that it was tuned from. Runs that begin with the same model share it: it is asked once. */
export function toEntrants(contenders: readonly Contender[], rows: readonly AskedRow[]): Entrant[] {
  const toAsked = ({ provider, asking }: Contender, model: ModelRef, home: ModelHome): Pick<Entrant, 'answerer' | 'questions'> => {
    const answerer = { provider, model, asking, home };
    return { answerer, questions: rows.map((row) => toQuestion(answerer, row)) };
  };
  const bases = new Map<string, string[]>(); // by their questions: the names of the runs that begin with one
  const entrants = contenders.flatMap((contender) => {
    const { name, run, trainingUsd } = contender;
    const tuned = { name, kind: 'tuned', run, trainingUsd, ...toAsked(contender, contender.tuned, contender.homes.tuned) } as const;
    if (contender.untrained === null) return [tuned];
    const asked = toAsked(contender, contender.untrained, contender.homes.untrained);
    const identity = toJsonHash(asked.questions.map(({ id }) => id));
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
    return { ...rest, name: toBaseName(rest.answerer.model, sharers, contenders.length === 1) };
  });
}

function toBaseName({ kind }: ModelRef, sharers: readonly string[], isOnly: boolean): string {
  if (kind === 'endpoint') return `base of ${sharers.join(' and ')}`;
  return isOnly ? 'untrained head' : `untrained head of ${sharers[0]!}`;
}

import type { RunKey } from '../job/run-key.ts';
import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';
import type { Provider, TranslationInput } from '../provider/provider.ts';
import type { TerminalPhase } from '../provider/status.ts';

/** One promise of the contract. `check` throws an Error that says what was expected and what was found. */
export interface ConformanceTest {
  readonly name: string;
  check(): Promise<void>;
}

/** A place of its own with a service in which nothing has happened yet, and a provider that speaks with this service. */
export interface ConformanceEnvironment {
  readonly provider: Provider;
  /**
   * The context of an attempt of the run with this key. Attempts of one key share a folder; all have the same rows. `wait` may
   * pretend, but the clock that the provider or the service goes by must then go on by as much.
   */
  toAttempt(key: RunKey, attempt: number, signal: AbortSignal): Attempt;
  /** Called once, when the law is done with the world. */
  close?(): Promise<void>;
}

/** How a job is brought to one of its ends. */
export interface ConformanceResult_<World extends ConformanceEnvironment> {
  /** What is submitted for it; the base input when absent. */
  readonly input?: TranslationInput;
  /** Called after the first look at the job; absent where the job comes to this end by itself. */
  bring?(environment: World, job: JobRef): Promise<void>;
}

/** What the law is held against. What is absent is not checked, and the name of the law says so. */
export interface ConformanceTarget<World extends ConformanceEnvironment = ConformanceEnvironment> {
  /** For what needs no world: `translate`, `bind`, and which functions there are. */
  readonly provider: Provider;
  readonly inputs: {
    /** Accepted, without training fields that make others impossible. */
    readonly base: TranslationInput;
    /** Accepted, each with a meaning of its own, by what is different. */
    readonly different: Readonly<Record<string, TranslationInput>>;
    /** The base input written otherwise. */
    readonly same?: Readonly<Record<string, TranslationInput>>;
  };
  createEnvironment(): Promise<World>;
  readonly ends: Readonly<Partial<Record<TerminalPhase, ConformanceResult_<World>>>>;
  /** Has the service say this word for the status of the job. */
  say?(environment: World, job: JobRef, word: string): Promise<void>;
  /** From now on the service takes requests and gives no answer. */
  stall?(environment: World): Promise<void>;
  /** Calls that must fail, by why: a service out of reach, a missing permission, an answer that is cut off. */
  readonly failing?: Readonly<Record<string, (environment: World) => Promise<unknown>>>;
  /** Everything in the world that a look might change by mistake, as JSON. */
  snapshot?(environment: World): Promise<unknown>;
  /** The credentials that the provider has in these worlds: made up, long, and found nowhere else. */
  readonly secrets?: readonly string[];
}

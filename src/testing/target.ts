import type { RunKey } from '../job/run-key.ts';
import type { Attempt } from '../provider/context.ts';
import type { HttpFault } from './http-fault.ts';
import type { JobRef } from '../provider/job.ts';
import type { Provider, TranslationInput } from '../provider/provider.ts';
import type { TerminalPhase } from '../provider/status.ts';

/** One promise of the contract, as a check for any test framework. */
export interface ConformanceTest {
  readonly name: string;
  /** What the provider or the target lacks, without which nothing can be checked: such a test must be reported as skipped. */
  readonly skipped: string | null;
  /** Rejects, with an AssertionError of `node:assert`, or with what the provider threw, where the promise is broken. */
  run(): Promise<void>;
}

/** A service in which nothing has happened yet, and a provider that speaks with it. */
export interface ConformanceEnvironment {
  readonly provider: Provider;
  /**
   * The context of an attempt of the run with this key. Attempts of one key share a folder; all have the same rows. `wait` may
   * pretend, but the clock of the provider and of the service must then go on by as much.
   */
  toAttempt(key: RunKey, attempt: number, signal: AbortSignal): Attempt;
  /** Called once, at the end of a test. */
  close?(): Promise<void>;
}

/** How a job is brought to one of its ends. */
export interface JobEnding<Environment extends ConformanceEnvironment> {
  /** What is submitted for it; the base input when absent. */
  readonly input?: TranslationInput;
  /** Called after the first observation; absent where the job comes to this end by itself. */
  bring?(environment: Environment, job: JobRef): Promise<void>;
}

/** What is tested. Tests that need an absent part are skipped. */
export interface ConformanceTarget<Environment extends ConformanceEnvironment = ConformanceEnvironment> {
  /** For what needs no service: `translate`, and which functions there are. */
  readonly provider: Provider;
  readonly inputs: {
    /** Accepted, without training fields that make others impossible. */
    readonly base: TranslationInput;
    /** Accepted, each with a meaning of its own; the names say what is different. */
    readonly different: Readonly<Record<string, TranslationInput>>;
    /** The base input in other words. */
    readonly same?: Readonly<Record<string, TranslationInput>>;
  };
  createEnvironment(): Promise<Environment>;
  readonly ends: Readonly<Partial<Record<TerminalPhase, JobEnding<Environment>>>>;
  /** Makes the service use this word for the status of the job. */
  say?(environment: Environment, job: JobRef, word: string): Promise<void>;
  /** From now on the service accepts requests and gives no answer. */
  stall?(environment: Environment): Promise<void>;
  /** Calls that must fail; the names say why: a service that cannot be reached, a missing permission, an answer that is cut off. */
  readonly failing?: Readonly<Record<string, (environment: Environment) => Promise<unknown>>>;
  /** Everything that an observation might change by mistake, as JSON. */
  snapshot?(environment: Environment): Promise<unknown>;
  /** The credentials that the provider has in these environments: made up, long, and found nowhere else. */
  readonly secrets?: readonly string[];
}

/** A service that answers as it should until it is told otherwise. */
export interface HttpEnvironment {
  /** How the service answers every request from now on. */
  misbehave(fault: HttpFault): Promise<void> | void;
  /** Requests that have arrived since `misbehave`. */
  arrivals(): readonly HttpArrival[];
  close(): Promise<void>;
}

export interface HttpArrival {
  /** Whether it arrived at the origin that `redirect-away` leads to. */
  readonly isForeign: boolean;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A call that asks the service something. */
export interface HttpCall<Environment extends HttpEnvironment> {
  /** Whether it may cost: it then sends one request and throws SubmitFailure. */
  readonly isCreate: boolean;
  run(environment: Environment, signal: AbortSignal): Promise<unknown>;
}

export interface HttpTarget<Environment extends HttpEnvironment = HttpEnvironment> {
  createEnvironment(): Promise<Environment>;
  readonly calls: Readonly<Record<string, HttpCall<Environment>>>;
  /** How long one request may take in these environments, with its whole answer. Pauses between tries must not take real time. */
  readonly deadlineMs: number;
  /** How many requests one after the other a call makes at most when each takes its whole deadline; 1 when absent. */
  readonly requests?: number;
  /** The credentials in these environments: made up, long, and found nowhere else. */
  readonly secrets: readonly string[];
}

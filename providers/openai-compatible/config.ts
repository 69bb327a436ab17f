import type { z } from 'zod';
import type { FailureCode } from '../../src/errors.ts';
import type { Training } from '../../src/job/job-spec.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { Context, QuoteContext } from '../../src/provider/context.ts';
import type { Note } from '../../src/provider/note.ts';
import type { Quote } from '../../src/provider/provider.ts';
import type { Phase } from '../../src/provider/status.ts';
import type { Secret } from '../../src/provider-kit/http.ts';

/**
 * What distinguishes a service that speaks the fine-tuning API of OpenAI, as data and functions. What a service does as OpenAI does is
 * left out.
 */
export interface OpenAICompatibleConfig {
  readonly id: string;
  /** The name for people. */
  readonly name: string;
  /** The base URL, without a slash at its end (see `parseBaseUrl`). @throws Failure `configuration-invalid` */
  baseUrl(context: Context): string;
  /** Names of credentials, of which one is enough. Without any of them the service is not set up. */
  readonly credentials: readonly string[];
  /** @throws Failure `credentials-invalid`, `configuration-invalid` */
  auth(context: Context): Auth;
  /** The service's words for the status of a job; a word that is not listed is `unknown`. */
  readonly statusMap: Readonly<Record<string, Phase>>;
  /** Time until a created job is surely listed; a minute when absent. */
  readonly listingDelayMs?: number;
  /** What a target may set under `options`; absent: a suffix. A service whose options have no suffix is sent none. */
  readonly options?: z.ZodObject & z.ZodType<TargetOptions>;
  /** Fields of the create body that come from `options`. */
  getExtraFields?(options: TargetOptions): Readonly<Record<string, unknown>>;
  /** The fields of the create body that say how to train, with a note on each field of the job. Pure; `mapHyperparameters` when absent. */
  mapTraining?(training: Training, method: MethodType): MappedTraining;
  /** How a job carries the run that it belongs to; in its metadata when absent. */
  readonly find?: JobLabel;
  /** What makes a late create of an attempt fail: deleting its training file; null: nothing does, and a person has to decide. */
  readonly fence: 'delete-training-file' | null;
  /** What a training costs; absent: its tokens at the known price. */
  quote?(request: Readonly<Record<string, unknown>>, context: QuoteContext): Promise<Quote | null>;
  /** Known prices, by base model. */
  readonly prices?: PriceTable;
  /** When models end, as far as that was published. */
  readonly deprecations?: DeprecationTable;
  /** The name of the base model in that of a tuned one; a name that is not tuned stays as it is. Absent: every name stays. */
  getBaseName?(model: string): string;
  /** How a conversation is asked for; as OpenAI has it when absent. */
  readonly chat?: {
    /** The field with the longest answer. */
    readonly maxTokens: 'max_tokens' | 'max_completion_tokens';
    /** The field `logprobs` that asks for the probability of an answer; null: it is never asked for. */
    readonly logprobs: true | number | null;
  };
  /** Whether models answer only once they are deployed. */
  readonly needsDeployment?: boolean;
  /** Whether a deployed model costs by the time that it runs alone, not by its answers too. */
  readonly paysByTime?: boolean;
  /** The page of a job for people; null where its address is not known. */
  getJobUrl?(baseUrl: string, id: string): string | null;
  /** What this service's own words for a refusal mean, beside those that are common. */
  readonly explanations?: Readonly<Record<string, Explanation>>;
  readonly uploads?: UploadLimits;
  /** How long an answer of a model may take (10 minutes when absent, as the official client has it), and a download beside its size (1). */
  readonly deadlines?: { readonly answerMs?: number; readonly downloadMs?: number };
}

export interface TargetOptions {
  readonly suffix?: string | undefined;
  readonly [option: string]: unknown;
}

/** What opens a service. */
export interface Auth {
  /** null: the service is open. */
  readonly secret: Secret | null;
  /** The header that carries the secret; `authorization`, with `Bearer ` before the secret, when absent. */
  readonly header?: string;
  /** Further headers, such as the organization that pays. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The version of Azure's dated interface; null or absent: the service has no versions. */
  readonly apiVersion?: string | null;
}

export type MethodType = 'supervised' | 'dpo';

export interface MappedTraining {
  readonly body: Readonly<Record<string, unknown>>;
  readonly notes: readonly Note[];
}

/** How a job carries its run. */
export interface JobLabel {
  /** The fields of a create body that carry the run and the attempt; `body` has the other ones. */
  build(
    run: { readonly key: RunKey; readonly attempt: number },
    body: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>>;
  /** The query by which the service lists the jobs of a run, as far as it can; the rest is filtered here. */
  query(key: RunKey): Readonly<Record<string, unknown>>;
  /** The run of a job at the service, null where it does not say, and the attempt, where that is a number. */
  parse(job: Readonly<Record<string, unknown>>): { readonly key: string | null; readonly attempt: number };
}

export interface Explanation {
  readonly code: FailureCode;
  /** What to do, one sentence. */
  readonly hint: string;
}

/** What is paid for: the tokens of training by a method, of a prompt, of an answer; and the hours of a deployment. */
export type PriceKind = MethodType | 'input' | 'output' | 'hosting';

/** US dollars for a million tokens, or for an hour of hosting. */
export interface Price {
  readonly usd: number;
  /** The day of the price, ISO 8601; null where it is not known. */
  readonly asOf: string | null;
  readonly source: string;
}

export type PriceTable = Readonly<Record<string, Readonly<Partial<Record<PriceKind, Price>>>>>;

/** What is known about the end of models, and from where. */
export interface DeprecationTable {
  readonly source: string;
  /** The day on which the source was read, ISO 8601. */
  readonly asOf: string;
  /** Who can train no more, and since when. */
  readonly closed?: string;
  readonly models: Readonly<Record<string, KnownModel>>;
}

export interface KnownModel {
  /** The day on which the model, and what was tuned from it, is switched off. */
  readonly ends?: string;
  /** The same, of a day before that of the table. */
  readonly ended?: string;
  /** The day from which the service does not train it any more, at the earliest. */
  readonly trains?: string;
  /** The methods that it can learn by; absent where nobody says. */
  readonly methods?: readonly string[];
}

export interface UploadLimits {
  /** Larger files go in parts. */
  readonly wholeBytes: number;
  readonly partBytes: number;
}

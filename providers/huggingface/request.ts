import { z } from 'zod';
import type { RunSpec } from '../../src/job/run-spec.ts';

/** What a target may set under `options`. What it does not set is chosen by `chooseEngine` and by the account. */
export const Options = z.strictObject({
  /** The program that trains; `auto` goes by the task and the model. */
  engine: z.enum(['auto', 'autotrain', 'trl', 'transformers']).optional(),
  /** The machine, by the service's name, such as `a10g-small`. */
  flavor: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'expected the name of a machine, such as "t4-small"')
    .optional(),
  /** The user or organization that pays and owns the repositories. */
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,95}$/, 'expected the name of a user or an organization')
    .optional(),
  /** The container image, where it is not the engine's own. */
  image: z.string().min(1).max(300).optional(),
  /** Whether the repositories that are made can be seen by their owner only. */
  private: z.boolean().optional(),
});
export type Options = z.infer<typeof Options>;

export type EngineName = 'autotrain' | 'trl' | 'transformers';

/** What an engine is asked to learn. */
export type EngineTask = 'text-classification' | 'sft' | 'dpo';

/** A setting of an engine, by the engine's own name; null is a setting that it has and that is not used. */
export type Parameters = Readonly<Record<string, Parameter>>;
export type Parameter = string | number | boolean | null | readonly string[];

/** How rows become lines of the files that are uploaded. */
export interface RowsPlan {
  /**
   * `labels`: a text and its label. `messages`: a conversation. `completion`: a conversation with its last answer apart, which alone is learned.
   * `preference`: a prompt with two ends. `conversations`: two whole conversations, as AutoTrain wants them.
   */
  readonly format: 'labels' | 'messages' | 'completion' | 'preference' | 'conversations';
  /** How rows of `classification` become chats; null where they do not. */
  readonly conversion: string | null;
  readonly prompt: RunSpec['prompt'];
  /** Of classification, sorted; empty for other tasks. */
  readonly labels: readonly string[];
  /** Whether the rows of a classification are pairs of texts. */
  readonly isPair: boolean;
}

/** What a run asks for, apart from what `prepare` finds out. */
export interface HubRequest {
  readonly engine: EngineName;
  readonly task: EngineTask;
  readonly model: { readonly base: string; readonly revision: string | null };
  readonly parameters: Parameters;
  readonly rows: RowsPlan;
  /** Labels of the finished classifier, in the order of its outputs. */
  readonly labels: readonly string[];
  /** Tokens of a row that the model is trained to read. */
  readonly maxLength: number;
  readonly flavor: string;
  readonly image: string;
  /** Null: that of the setting, or the token's own. */
  readonly namespace: string | null;
  readonly private: boolean;
  readonly timeoutSeconds: number;
  /** How the job and the model's repository are called. */
  readonly name: string;
}

/** What `prepare` made at the Hub: names, no content. */
export interface Prepared {
  /** The Hub's address, without a slash at its end. */
  readonly endpoint: string;
  readonly namespace: string;
  readonly dataset: { readonly repo: string; readonly revision: string; readonly hasValidation: boolean };
  /** The repository that the model will be in; it belongs to one attempt. */
  readonly output: string;
}

/** The task of the container, as JSON in its environment variable `ORCHESTRATE_JOB`. */
export interface JobTask {
  readonly version: 1;
  readonly engine: EngineName;
  readonly task: EngineTask;
  readonly dataset: {
    readonly repo: string;
    readonly revision: string;
    readonly train: string;
    readonly validation: string | null;
    readonly textColumn: string;
    readonly labelColumn?: string;
    readonly pairColumn?: string;
  };
  readonly labels?: readonly string[];
  readonly maxLength: number;
  readonly model: { readonly base: string; readonly revision?: string };
  readonly output: { readonly repo: string };
  readonly parameters: Parameters;
}

/** The body of the call that creates a job. */
export interface JobBody {
  readonly command: readonly string[];
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly flavor: string;
  readonly dockerImage: string;
  /** Names of credentials, whose values are put in when the call is sent. */
  readonly secrets: Readonly<Record<string, { readonly $secret: string }>>;
  readonly timeoutSeconds: number;
  readonly attempts: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where a body goes, and the body. */
export interface Wire {
  readonly endpoint: string;
  readonly namespace: string;
  readonly output: string;
  readonly body: JobBody;
}

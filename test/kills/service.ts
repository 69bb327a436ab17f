import type { Plan } from './plans.ts';

/** What one trial has come to at the service. */
export interface Account {
  /** What was paid for, in order; never shortened. */
  readonly bill: readonly { readonly at: string; readonly key: string; readonly attempt: number; readonly job: string }[];
  /** Those of all keys. */
  readonly jobs: readonly { readonly id: string; readonly key: string; readonly status: string }[];
}

/** A service in a process of its own, which outlives the programs that are killed, and how the program comes to it. */
export interface Service {
  readonly name: string;
  /** Begins a world of its own for one trial; resolves with what names it. */
  begin(trial: string, plan: Plan): Promise<string>;
  readAccount(fixture: string): Promise<Account>;
  stop(): Promise<void>;
  /** In the job file. */
  readonly target: { readonly provider: string; readonly model: string; readonly options?: object };
  /** What the program is told of a world. */
  toEnvironment(fixture: string): Readonly<Record<string, string>>;
  /** A script with the service's official client and its defaults, in this folder. */
  readonly naive?: string;
  /** Its requests as the boundaries are named: the one that may cost, and those that upload and take an upload away. */
  readonly requests: { readonly create: string; readonly upload: string; readonly fence: string };
}

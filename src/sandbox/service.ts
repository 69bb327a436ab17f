import type { Clock } from './clock.ts';
import type { TrainModel } from './hub/train-model.ts';
import type { ServiceAccount } from './service-account.ts';

/** What all accounts of one sandbox share. */
export interface Service {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The Hub's storage: another origin, which must never see a token. */
  readonly storageUrl: string;
  readonly clock: Clock;
  readonly pageSize: number;
  /** Trains classifiers; null: their jobs fail. */
  readonly trainModel: TrainModel | null;
  /** Aborts when the sandbox closes. */
  readonly signal: AbortSignal;
  /** The account of a key or token, new at first use. */
  findAccount(key: string): ServiceAccount;
  /** The account of this name where it was ever used. */
  peekAccount(name: string): ServiceAccount | undefined;
}

import type { Clock } from './clock.ts';
import type { World } from './world.ts';

/** What all accounts of one sandbox share. */
export interface Service {
  readonly clock: Clock;
  readonly pageSize: number;
  /** The account of a key, new at first use. */
  findWorld(apiKey: string): World;
}

import type { ChargeChange } from './charges.ts';
import type { RunRecord } from './fold.ts';
import { isEnded } from './transitions.ts';

/**
 * What a run takes out of its job's budget, as its events tell it. What was surely never sent, or was refused, takes nothing. A run that
 * goes on takes the most that it can cost. One that has ended takes what it did cost; where nobody says that, the most stays set aside.
 */
export function toCharge({ state, job, cost, plan: { quote } }: RunRecord): ChargeChange {
  const most = quote?.high ?? null;
  if (state === 'rejected' || (state === 'cancelled' && job === null)) return { state: 'released', usd: most };
  if (!isEnded(state)) return { state: 'reserved', usd: cost === null ? most : Math.max(most ?? 0, cost.usd) };
  if (cost !== null) return { state: 'spent', usd: cost.usd };
  return { state: most === 0 ? 'spent' : 'reserved', usd: most };
}

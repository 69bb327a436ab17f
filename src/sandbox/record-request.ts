import type { Fault, RequestKind } from './faults.ts';
import type { World } from './service-account.ts';

/** Writes a request down; what its account's plan has for it, null where that is nothing. */
export function noteRequest(world: World, kind: RequestKind, nowMs: number): Fault | null {
  const index = world.used[kind] ?? 0;
  world.used[kind] = index + 1;
  const fault = world.faults[kind]?.[index] ?? null;
  world.requests.push({ at: new Date(nowMs).toISOString(), kind, fault: fault?.type ?? null });
  return fault;
}

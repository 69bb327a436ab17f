import type { Fault, RequestKind } from './faults.ts';
import type { ServiceAccount } from './service-account.ts';

/** Writes a request down; what its account's plan has for it, null where that is nothing. */
export function noteRequest(account: ServiceAccount, kind: RequestKind, nowMs: number): Fault | null {
  const index = account.used[kind] ?? 0;
  account.used[kind] = index + 1;
  const fault = account.faults[kind]?.[index] ?? null;
  account.requests.push({ at: new Date(nowMs).toISOString(), kind, fault: fault?.type ?? null });
  return fault;
}

import type { RequestKind } from './faults.ts';
import { toWireFile, type WireFile } from './files.ts';
import { advanceAll } from './jobs.ts';
import { toHubAccount, type HubAccount } from './hub/hub-account.ts';
import type { Service } from './service.ts';
import type { Settings } from './settings.ts';
import { toWireJob, type WireJob } from './wire-job.ts';
import type { BillEntry, RequestEntry, ServiceAccount } from './service-account.ts';

/** What has come of one API key so far; all of it is JSON. */
export interface Account {
  /** The key without `sk-sandbox-`. */
  readonly name: string;
  /** What was charged, in order; never shortened. */
  readonly bill: readonly BillEntry[];
  readonly requests: readonly RequestEntry[];
  /** How often each kind was asked since the faults were last set. */
  readonly used: Readonly<Partial<Record<RequestKind, number>>>;
  /** As the service writes them, newest first. */
  readonly jobs: readonly WireJob[];
  /** As the service writes them, oldest first. */
  readonly files: readonly WireFile[];
  /** What it has at the Hub. */
  readonly hub: HubAccount;
  readonly settings: Settings;
  /** Answers that break the published schemas: faults of the sandbox itself. */
  readonly violations: readonly string[];
}

export function toAccount(service: Service, account: ServiceAccount): Account {
  const nowMs = service.clock.nowMs();
  advanceAll(account, nowMs);
  const hub = toHubAccount({ account, service }, nowMs);
  return {
    name: account.name,
    bill: [...account.bill],
    requests: [...account.requests],
    used: { ...account.used },
    jobs: account.jobs.map(toWireJob),
    files: [...account.files.values()].map((file) => toWireFile(file, nowMs)),
    hub,
    settings: account.settings,
    violations: [...account.violations],
  };
}

import type { Clock } from './clock.ts';
import type { Dialect } from './dialect.ts';
import type { Form } from './parse-form.ts';
import type { ServiceAccount } from './service-account.ts';

/** One request, read and checked, on its way to a handler. */
export interface Call {
  readonly account: ServiceAccount;
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly nowMs: number;
  /** Most items of a page. */
  readonly pageSize: number;
  /** What stands in the place of `:name` in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly form: Form | null;
}

import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../answer.ts';
import type { RequestKind } from '../faults.ts';
import type { Service } from '../service.ts';
import type { Validator } from '../validator.ts';
import type { ServiceAccount } from '../service-account.ts';

/** One request to the Hub on its way to a handler. */
export interface HubCall {
  readonly service: Service;
  readonly account: ServiceAccount;
  /** Whether the request shows no token; its account then owns nothing. */
  readonly isAnonymous: boolean;
  readonly nowMs: number;
  readonly method: string;
  /** As it was sent, without the query. */
  readonly requestPath: string;
  /** What the named groups of the route's pattern have caught, decoded; those without a catch are not there. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly validator: Validator;
}

export interface HubRoute {
  readonly methods: readonly string[];
  readonly pattern: RegExp;
  readonly kind: RequestKind;
  /** Whether it answers to those who show no token. */
  readonly isPublic?: boolean;
  handle(call: HubCall): Answer | Promise<Answer>;
}

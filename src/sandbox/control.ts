import { refuse, toAnswer, type Answer } from './answer.ts';
import { toAccount } from './account.ts';
import type { FaultPlans } from './faults.ts';
import { addOtherHubJobs } from './hub/other-hub-jobs.ts';
import { addOtherJobs } from './other-jobs.ts';
import type { ownSchemas } from './own-schemas.ts';
import type { Service } from './service.ts';
import type { Settings } from './settings.ts';
import type { Validator } from './validator.ts';
import type { ServiceAccount } from './service-account.ts';

interface ControlRequest {
  readonly service: Service;
  readonly account: ServiceAccount;
  /** `GET /sandbox/account`. */
  readonly route: string;
  readonly body: unknown;
  readonly validator: Validator;
}

/** Answers what is no part of the service: how an account fares, and what shall go wrong with it. */
export function answerControl({ service, account, route, body, validator }: ControlRequest): Answer {
  const check = (schema: keyof typeof ownSchemas): void => {
    const problem = validator.findOwnProblem(schema, body);
    if (problem !== null) refuse(400, problem.message, { param: problem.param });
  };
  switch (route) {
    case 'GET /sandbox/account':
      return toAnswer(toAccount(service, account));
    case 'PUT /sandbox/faults':
      check('Faults');
      setFaults(account, body as FaultPlans);
      return toAnswer({ faults: account.faults });
    case 'PUT /sandbox/settings':
      check('Settings');
      setSettings(account, body as Partial<Settings>, service.clock.nowMs());
      return toAnswer({ settings: account.settings });
    case 'POST /sandbox/step':
      check('Step');
      service.clock.step((body as { ms: number }).ms);
      return toAnswer({ now: new Date(service.clock.nowMs()).toISOString() });
    default:
      return refuse(404, `Invalid URL (${route})`, { code: 'unknown_url' });
  }
}

/** Plans faults for the requests from now on: the first of a kind is the next one. */
export function setFaults(account: ServiceAccount, faults: FaultPlans): void {
  account.faults = faults;
  account.used = {};
}

/** Changes what is named. */
export function setSettings(account: ServiceAccount, settings: Partial<Settings>, nowMs: number): void {
  account.settings = { ...account.settings, ...settings };
  addOtherJobs(account, nowMs);
  addOtherHubJobs(account, nowMs);
}

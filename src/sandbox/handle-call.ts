import { refuse, toErrorAnswer, toFaultAnswer, toRefusalAnswer, type Answer } from './answer.ts';
import type { Call } from './call.ts';
import type { Body } from './read-body.ts';
import type { Route } from './routes.ts';
import type { Validator } from './validator.ts';

interface Checked {
  readonly route: Route;
  readonly body: Body;
  readonly validator: Validator;
}

/** Does what a request asks for; throws nothing. */
export function handleCall(call: Call, { route, body, validator }: Checked): Answer {
  try {
    checkRequest(call, { route, body, validator });
    const answered = route.handle(call);
    const problem = answered.body === undefined ? null : findAnswerProblem(call, { route, validator, answered });
    if (problem === null) return answered;
    call.account.violations.push(problem);
    return toErrorAnswer(500, `A fault of the sandbox: ${problem}`);
  } catch (error) {
    const refusal = toRefusalAnswer(error);
    if (refusal !== null) return refusal;
    call.account.violations.push(`${route.match}: ${String(error)}`);
    return toFaultAnswer(error);
  }
}

function checkRequest({ dialect, query, body: json }: Call, { route, body, validator }: Checked): void {
  if (body.problem !== undefined) refuse(400, body.problem);
  const known = [...(route.query ?? []), ...(dialect.id === 'azure' ? ['api-version'] : [])];
  const stray = [...query.keys()].find((name) => !known.includes(name.replace(/\[.*\]$/s, '[]')));
  if (stray !== undefined) refuse(400, `Unknown query parameter: '${stray}'.`, { param: stray, code: 'unknown_parameter' });
  const ownProblem = route.ownBody === undefined ? null : validator.findOwnProblem(route.ownBody, json);
  const problem = route.body === undefined ? ownProblem : validator.findProblem(dialect.id, route.body, json);
  if (problem !== null) refuse(400, problem.message, { param: problem.param });
  const takesJson = route.body !== undefined || route.ownBody !== undefined;
  if (!takesJson && json !== undefined && !isEmpty(json)) refuse(400, 'Expected no JSON body.');
}

function isEmpty(json: unknown): boolean {
  return typeof json === 'object' && json !== null && Object.keys(json).length === 0;
}

function findAnswerProblem(
  { dialect }: Call,
  { route, validator, answered }: { readonly route: Route; readonly validator: Validator; readonly answered: Answer },
): string | null {
  if (route.answer === undefined) return null;
  const problem = validator.findProblem(dialect.id, route.answer, answered.body);
  return problem === null ? null : `${route.match} answers against ${route.answer}: ${problem.message}`;
}

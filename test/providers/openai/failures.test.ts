import { expect, test } from 'vitest';
import { toServiceFailure, toSubmitFailure, toRequestInfo } from '../../../providers/openai/failures.ts';
import { Failure } from '../../../src/errors.ts';
import { canaryKey, createSandboxFixture } from './fixture.ts';

async function tell(thrown: unknown): Promise<{ sent: string; code: string; message: string; hint: string | null }> {
  await using fixture = await createSandboxFixture();
  const info = toRequestInfo(fixture.dialect, fixture.toAttempt(), 'POST /fine_tuning/jobs');
  const { code, message, hint } = toServiceFailure(thrown, info);
  const { sent, failure } = toSubmitFailure(thrown, info);
  expect(failure).toMatchObject({ code, message, hint });
  return { sent, code, message, hint };
}

/** As the official client throws it. */
function toError(status: number, error: object): Error {
  return Object.assign(new Error('the client says something'), { status, error, headers: new Headers(), ...error });
}

test.each([
  [403, { message: 'winding down', code: 'training_not_available' }, 'refused', 'training-unavailable', /2027-01-06/],
  [400, { message: 'no such model', code: 'model_not_available' }, 'refused', 'model-unavailable', /dated name/],
  [404, { message: 'no such model', code: 'model_not_found' }, 'refused', 'model-unavailable', /dated name/],
  [429, { message: 'quota', code: 'insufficient_quota', type: 'insufficient_quota' }, 'refused', 'quota-exhausted', /credit/],
  [400, { message: 'hard limit', code: 'billing_hard_limit_reached' }, 'refused', 'quota-exhausted', /credit/],
  [401, { message: 'bad key', code: 'invalid_api_key' }, 'refused', 'credentials-invalid', /revoked/],
  [401, { message: 'Access denied', code: '401' }, 'refused', 'credentials-invalid', /revoked/],
  [403, { message: 'insufficient permissions', code: null }, 'refused', 'credentials-invalid', /write permission/],
  [400, { message: 'bad seed', code: 'invalid_value' }, 'refused', 'request-refused', null],
  [429, { message: 'slow down', code: 'rate_limit_exceeded' }, 'limited', 'rate-limited', null],
  [500, { message: 'no such model', code: 'model_not_found' }, 'unknown', 'service-unavailable', null],
  [409, { message: 'conflict', code: 'training_not_available' }, 'unknown', 'service-unavailable', null],
] as const)('%i %o is %s: %s', async (status, error, sent, code, hint) => {
  const told = await tell(toError(status, error));
  expect(told).toMatchObject({ sent, code });
  expect(told.message).toMatch(
    new RegExp(`^POST http://127.*/v1/fine_tuning/jobs: expected success, found ${status} with ${error.message}$`),
  );
  expect(told.hint ?? '').toMatch(hint ?? /^$/);
});

test('a service that repeats the key in its words is not repeated', async () => {
  const { message } = await tell(toError(401, { message: `Incorrect API key provided: ${canaryKey}.`, code: 'invalid_api_key' }));
  expect(message).not.toContain(canaryKey);
});

test('our own failures stay what they are', async () => {
  expect(await tell(new Error('Connection error.', { cause: new Failure('timeout', 'no answer') }))).toMatchObject({
    sent: 'unknown',
    code: 'timeout',
  });
});

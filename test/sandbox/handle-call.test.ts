import { expect, test } from 'vitest';
import { toAnswer } from '../../src/sandbox/answer.ts';
import type { Call } from '../../src/sandbox/call.ts';
import { createSteppedClock } from '../../src/sandbox/clock.ts';
import { handleCall } from '../../src/sandbox/handle-call.ts';
import { openaiDialect } from '../../src/sandbox/openai-dialect.ts';
import type { Route } from '../../src/sandbox/routes.ts';
import { loadValidator } from '../../src/sandbox/validator.ts';
import { createServiceAccount } from '../../src/sandbox/service-account.ts';

const call: Call = {
  account: createServiceAccount('one', 1, {}),
  dialect: openaiDialect,
  clock: createSteppedClock(new Date(0)),
  nowMs: 0,
  pageSize: 1,
  params: {},
  query: new URLSearchParams(),
  body: undefined,
  form: null,
};

test.each<[string, Route['handle'], string]>([
  ['breaks the published schema', () => toAnswer({ object: 'list' }), 'GET /models answers against ListModelsResponse: Invalid body'],
  ['throws', () => JSON.parse('{') as never, 'GET /models: SyntaxError'],
])('a handler that %s is a fault of the sandbox, and noted', async (_, handle, text) => {
  const account = createServiceAccount('one', 1, {});
  const route: Route = { match: 'GET /models', kind: 'models', answer: 'ListModelsResponse', handle };
  const { status, body } = handleCall({ ...call, account }, { route, body: {}, validator: await loadValidator() });
  expect(status).toBe(500);
  expect(body).toMatchObject({ error: { message: expect.stringContaining('A fault of the sandbox') } });
  expect(account.violations).toEqual([expect.stringContaining(text)]);
});

import { expect, test } from 'vitest';
import { Failure } from '../../src/errors.ts';
import type { DeploymentContext } from '../../src/provider/context.ts';
import { createTimedEndpoints, type EndpointSteps, type TimedEndpoint } from '../../src/provider-kit/timed-endpoints.ts';

const model = { kind: 'endpoint', identity: 'm', location: 'here', name: 'tuned', base: 'base', needsDeployment: true } as const;
let nowMs = 0;
const context = {
  signal: new AbortController().signal,
  now: () => new Date(nowMs),
  wait: async (ms: number) => await Promise.resolve(void (nowMs += ms)),
} as unknown as DeploymentContext;

/** A service whose endpoint passes through these states, one a look. */
function create(states: TimedEndpoint['state'][], found: TimedEndpoint | null, remove: EndpointSteps['remove'] = async () => {}) {
  const calls: string[] = [];
  const note = <T>(call: string, value: T): Promise<T> => Promise.resolve((calls.push(call), value));
  const endpoints = createTimedEndpoints({
    service: 'Service',
    find: async (name) => await note(`find ${name}`, found),
    read: async (id) => await note(`read ${id}`, { id, name: `name of ${id}`, state: states.shift() ?? 'starting' }),
    create: async (of, name) => await note(`create ${of} ${name}`, { id: 'e1' }),
    remove: async (id, at) => {
      calls.push(`remove ${id}`);
      await remove(id, at);
    },
    checkLocation: (what) => void calls.push(`check ${what}`),
  });
  return { endpoints, calls };
}

const there: TimedEndpoint = { id: 'e0', name: 'n', state: 'starting' };

test('a model answers under the name of its endpoint, once that has started', async () => {
  const { endpoints, calls } = create(['starting', 'started'], null);
  expect(await endpoints.deploy(model, 'ours', context)).toEqual({ ...model, name: 'name of e1' });
  expect(calls).toEqual(['check the model tuned', 'find ours', 'create tuned ours', 'read e1', 'read e1']);
});

test('one that is there already is used', async () => {
  const { endpoints, calls } = create(['started'], there);
  await endpoints.deploy(model, 'ours', context);
  expect(calls).not.toContain('create tuned ours');
});

test.each([
  [['failed'] as const, 'service-unavailable'],
  [['starting', 'stopped'] as const, 'service-unavailable'],
  [[] as const, 'timeout'],
])('one that does not start ends the wait: %j', async (states, code) => {
  await expect(create([...states], there).endpoints.deploy(model, 'ours', context)).rejects.toMatchObject({ code });
});

test('one is removed patiently, and one that is gone is no error', async () => {
  const answers = [new Failure('service-unavailable', 'busy'), new Failure('request-refused', 'gone', { status: 404 })];
  const { endpoints, calls } = create([], there, async () => await Promise.reject(answers.shift()!));
  await endpoints.undeploy(model, 'ours', context);
  expect(calls.filter((call) => call === 'remove e0')).toHaveLength(2);
  const none = create([], null);
  await none.endpoints.undeploy(model, 'ours', context);
  expect(none.calls).not.toContain('remove e0');
});

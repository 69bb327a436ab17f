import { expect, test } from 'vitest';
import type { HubRequest } from '../../../providers/huggingface/request.ts';
import golden from '../../sandbox/golden-js.json' with { type: 'json' };
import type { Sent } from '../../sandbox/fixture.ts';
import { createHubFixture, toInput } from './fixture.ts';

/** What is asked beside what was recorded of the official client 2.17.5, which has functions for most of it. */
const onPurpose = [
  'GET /api/models/NAME', // the commit that a branch is at
  'GET /api/datasets/NAME',
  'GET /api/models/NAME/tree/REV', // recorded of a dataset
  'GET /api/models/NAME/refs', // whether an attempt is claimed
  'GET /api/models/NAME/commits/REV', // since when
  'POST /api/models/NAME/branch/BRANCH', // the fence
  'GET /NAME/resolve/REV/FILE',
  'GET /api/jobs/NS/ID/logs',
  'GET /api/jobs/hardware',
];

/** A path with names taken out, and without its query. */
function toRoute(method: string, path: string): string {
  const route = path
    .split('?')[0]!
    .replace(/\/api\/jobs\/(?!hardware$)[\w-]+/, '/api/jobs/NS')
    .replace(/[0-9a-f]{24}(?=\/|$)/, 'ID')
    .replace(/^(\/api\/(?:models|datasets)|\/datasets)\/[\w-]+\/[\w.-]+?(?=\.git\/|\/|$)/, '$1/NAME')
    .replace(/^\/(?!api\/|datasets\/)[\w-]+\/[\w.-]+(?=\/resolve\/)/, '/NAME')
    .replace(/(?<=\/(?:tree|resolve|commits)\/)[\w-]+/, 'REV')
    .replace(/(?<=\/branch\/).+/, 'BRANCH')
    .replace(/(?<=\/resolve\/REV\/).+/, 'FILE');
  return `${method} ${route}`;
}

/** Names of all members; `environment`, `labels` and `secrets` hold names of the user. */
function toMembers(value: unknown, path = ''): string[] {
  if (/\.(?:environment|labels|secrets)$/.test(path) || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => toMembers(one, `${path}[]`));
  return Object.entries(value).flatMap(([name, inner]) => [`${path}.${name}`, ...toMembers(inner, `${path}.${name}`)]);
}

function parseBody(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  if (body === '') return null;
  return body.includes('\n') ? body.split('\n').map((line) => JSON.parse(line) as unknown) : (JSON.parse(body) as unknown);
}

function toRecorded(): Map<string, Set<string>> {
  const recorded = new Map<string, Set<string>>();
  for (const { method, path, body } of (Object.values(golden) as Sent[][]).flat()) {
    const route = toRoute(method, path);
    const lines = (body as { __ndjson__?: unknown } | null)?.__ndjson__ ?? body;
    recorded.set(route, new Set([...(recorded.get(route) ?? []), ...toMembers(lines)]));
  }
  return recorded;
}

test('every request of a whole run is one that the official client was seen to send, or is made on purpose', async () => {
  await using fixture = await createHubFixture();
  const { provider } = fixture;
  const context = fixture.toAttempt();
  const request = provider.training.translate(toInput()).request as HubRequest;
  const prepared = await provider.training.prepare(request, context);
  const job = await provider.training.create(provider.training.bind(request, prepared, context.key, 1), context);
  await provider.training.find(request, [prepared], context);
  fixture.pass(11_000);
  await provider.training.observe(job, null, context);
  await provider.training.cancel!(job, context);
  await provider.training.observe(job, null, context);
  await provider.training.discard!(prepared, context);
  await provider.training.fence!(await provider.training.prepare(request, fixture.toAttempt(context.key, 2)), context);
  const recorded = toRecorded();
  const routes = new Set<string>();
  for (const { method, path, body } of fixture.hub.requests) {
    const route = toRoute(method, path);
    routes.add(route);
    if (onPurpose.includes(route)) continue;
    expect([...recorded.keys()]).toContain(route);
    const strange = toMembers(parseBody(body)).filter((member) => !recorded.get(route)!.has(member));
    expect([route, ...strange]).toEqual([route]);
  }
  expect([...routes]).toEqual(expect.arrayContaining(['POST /api/jobs/NS', 'GET /api/jobs/NS', 'POST /api/jobs/NS/ID/cancel']));
});

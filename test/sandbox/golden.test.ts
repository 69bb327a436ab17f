import {
  cancelJob,
  createRepo,
  deleteRepo,
  downloadFile,
  getJob,
  listFiles,
  listJobs,
  runJob,
  uploadFile,
  uploadFiles,
  whoAmI,
} from '@huggingface/hub';
import { expect, test } from 'vitest';
import golden from './golden-js.json' with { type: 'json' };
import { openSandbox, type SandboxFixture, type Sent } from './fixture.ts';

/*
 * What the official client 2.17.5 sent, and was answered, when it was recorded against another stand-in. Here the same calls must send the
 * same, and be answered with at least the same members.
 */
const repo = { type: 'dataset', name: 'demo/jsdata' } as const;
const everything = {
  flavor: 'a10g-large',
  environment: { E: '1' },
  dockerImage: 'huggingface/trl',
  command: ['bash', '-c', 'trl sft'],
  arguments: ['--x'],
  secrets: { HF_TOKEN: '<token>' },
  arch: 'amd64',
  timeoutSeconds: 7200,
  attempts: 2,
  labels: { name: 'r1', 'orchestrator-run': '01JX' },
  volumes: [
    { source: 'datasets/demo/jsdata', mountPath: '/data', readOnly: true, revision: 'main', path: 'sub' },
    { source: 'buckets/demo/out', mountPath: '/out' },
  ],
} as const satisfies Partial<Parameters<typeof runJob>[0]>;
const namespace = 'demo';

/** The same calls, in their order. */
async function callAll({ hub, sent }: SandboxFixture): Promise<Record<string, Sent[]>> {
  const calls: Record<string, Sent[]> = {};
  const call = async <T>(label: string, work: () => Promise<T>): Promise<T | undefined> => {
    const before = sent.length;
    const result = await work().catch(() => undefined);
    calls[label] = sent.slice(before);
    return result;
  };
  await call('whoAmI', async () => await whoAmI(hub));
  await call('createRepo dataset', async () => await createRepo({ ...hub, repo, visibility: 'private' }));
  await call('createRepo again (409)', async () => await createRepo({ ...hub, repo, visibility: 'private' }));
  const files = [{ path: 'x.bin', content: new Blob([Buffer.alloc(1024, 9)]) }];
  await call('uploadFiles useXet false', async () => await uploadFiles({ ...hub, repo, files, useXet: false }));
  await call('uploadFile', async () => await uploadFile({ ...hub, repo, file: { path: 'one.jsonl', content: new Blob(['{}\n']) } }));
  await uploadFile({ ...hub, repo, file: { path: 'train.jsonl', content: new Blob(['{"a":1}\n']) } });
  await call('listFiles', async () => await Array.fromAsync(listFiles({ ...hub, repo })));
  await call('downloadFile', async () => await (await downloadFile({ ...hub, repo, path: 'train.jsonl' }))?.text());
  await call('downloadFile missing', async () => await downloadFile({ ...hub, repo, path: 'nope' }));
  const job = await call('runJob all', async () => await runJob({ ...hub, namespace, ...everything }));
  await call('runJob minimal', async () => await runJob({ ...hub, namespace, flavor: 'cpu-basic', dockerImage: 'python:3.12' }));
  await call('listJobs', async () => await listJobs({ ...hub, namespace }));
  await call('getJob', async () => await getJob({ ...hub, namespace, jobId: job?.id ?? '' }));
  await call('cancelJob', async () => await cancelJob({ ...hub, namespace, jobId: job?.id ?? '' }));
  await call('getJob 404', async () => await getJob({ ...hub, namespace, jobId: '000000000000000000000000' }));
  await call('deleteRepo', async () => await deleteRepo({ ...hub, repo }));
  return calls;
}

/** Paths of a request with what differs from time to time taken out. */
function simplifyPath(path: string): string {
  return path
    .replaceAll('acme-bot', 'demo')
    .replace(/^.*\/[0-9a-f]{64}$/, '/storage/OBJECT')
    .replace(/\/[0-9a-f]{24}(?=\/|$)/, '/ID');
}

/** Names of all members, with those of members in them; of a list, its first item's. */
function listMembers(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : listMembers(value[0], `${path}[]`);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [`${path}.${name}`, ...listMembers(inner, `${path}.${name}`)]);
}

test('the sandbox is asked, and answers, as it was recorded', async () => {
  const calls = await callAll(await openSandbox());
  const shown = JSON.parse(JSON.stringify(golden).replaceAll('acme-bot', 'demo')) as Record<string, Sent[]>;
  for (const [label, expected] of Object.entries(shown)) {
    const found = calls[label] ?? [];
    const pickRequest = ({ method, path, hasToken, body, status }: Sent): object => {
      return { label, method, path: simplifyPath(path), hasToken, body: listMembers(body).sort(), status };
    };
    expect(found.map(pickRequest)).toEqual(expected.map(pickRequest));
    for (const [i, { answer }] of expected.entries()) {
      const members = listMembers(answer).filter((member) => !/^\.orgs\[]|\.actions\.upload\.header/.test(member));
      expect([label, ...listMembers(found[i]?.answer)]).toEqual(expect.arrayContaining(members));
    }
  }
});

import { toAnswer } from '../answer.ts';
import { createBranch, deleteBranch } from './branches.ts';
import { commit } from './commits.ts';
import { createHubJob } from './create-hub-job.ts';
import { listHardware } from './hardware.ts';
import type { HubRoute } from './hub-call.ts';
import { cancelHubJob, findHubJob, listHubJobs, readHubJob, setHubLabels } from './hub-jobs.ts';
import { lfsBatch } from './lfs-batch.ts';
import { preupload } from './preupload.ts';
import { createRepo, deleteRepo, listRepos, readCommits, readRefs, readRepo, whoAmI } from './repos.ts';
import { resolveFile } from './resolve.ts';
import { listTree, readPaths } from './trees.ts';

const repo = '/api/(?<types>models|datasets)/(?<ns>[^/]+)/(?<name>[^/]+)';
const files = '/(?<types>datasets/)?(?<ns>[^/]+)/(?<name>[^/]+)';
const rev = '(?<rev>[^/]+)';
const job = '/api/jobs/(?<ns>[^/]+)/(?<id>[^/]+)';

function route(match: string, rest: Omit<HubRoute, 'methods' | 'pattern'>): HubRoute {
  const [methods = '', path = ''] = match.split(' ');
  return { methods: methods.split('|'), pattern: new RegExp(`^${path}$`), ...rest };
}

/** What the Hub answers to. */
const hubRoutes: readonly HubRoute[] = [
  route('GET /api/whoami-v2', { kind: 'whoami', handle: whoAmI }),
  route('POST /api/repos/create', { kind: 'repo-create', handle: createRepo }),
  route('DELETE /api/repos/delete', { kind: 'repo-delete', handle: deleteRepo }),
  route('GET /api/(?<types>models|datasets)', { kind: 'repo', handle: listRepos, isPublic: true }),
  route(`GET ${repo}(?:/revision/${rev})?`, { kind: 'repo', handle: readRepo, isPublic: true }),
  route(`GET ${repo}/commits/${rev}`, { kind: 'repo', handle: readCommits, isPublic: true }),
  route(`GET ${repo}/refs`, { kind: 'repo', handle: readRefs, isPublic: true }),
  route(`GET ${repo}/tree/${rev}(?:/(?<path>.+))?`, { kind: 'tree', handle: listTree, isPublic: true }),
  route(`POST ${repo}/paths-info/${rev}`, { kind: 'tree', handle: readPaths, isPublic: true }),
  route(`POST ${repo}/branch/${rev}`, { kind: 'branch', handle: createBranch }),
  route(`DELETE ${repo}/branch/${rev}`, { kind: 'branch-delete', handle: deleteBranch }),
  route(`POST ${repo}/preupload/${rev}`, { kind: 'preupload', handle: preupload }),
  route(`POST ${repo}/commit/${rev}`, { kind: 'commit', handle: commit }),
  route('POST /(?<types>datasets/)?(?<ns>[^/]+)/(?<name>[^/]+)\\.git/info/lfs/objects/batch', { kind: 'lfs-batch', handle: lfsBatch }),
  route('GET /api/jobs/hardware', { kind: 'job-hardware', handle: listHardware, isPublic: true }),
  route('POST /api/jobs/(?<ns>[^/]+)', { kind: 'job-create', handle: createHubJob }),
  route('GET /api/jobs/(?<ns>[^/]+)', { kind: 'job-list', handle: listHubJobs }),
  route(`GET ${job}`, { kind: 'job-get', handle: readHubJob }),
  // Answered as a stream; what stands here only finds the job.
  route(`GET ${job}/logs`, { kind: 'job-logs', handle: async (call) => toAnswer((await findHubJob(call)).id) }),
  route(`POST ${job}/cancel`, { kind: 'job-cancel', handle: cancelHubJob }),
  route(`PUT ${job}/labels`, { kind: 'job-labels', handle: setHubLabels }),
  route(`GET|HEAD ${files}/(?<door>resolve|raw)/${rev}/(?<path>.+)`, { kind: 'resolve', handle: resolveFile, isPublic: true }),
];

/** Paths of the Hub, whatever is asked of them. */
const hubPaths = /^\/api\/|^\/datasets\/|^\/[^/]+\/[^/]+(?:\.git\/info\/lfs|\/resolve|\/raw)\//;
const otherPaths = /^\/(?:v1|openai|sandbox|subscriptions)\//;

export function isHubPath(path: string): boolean {
  return hubPaths.test(path) && !otherPaths.test(path);
}

/** The route of a request, and what the path names; null where there is none. */
export function findHubRoute(method: string, path: string): { route: HubRoute; params: Record<string, string> } | null {
  for (const one of hubRoutes) {
    const groups = one.methods.includes(method) ? one.pattern.exec(path)?.groups : undefined;
    if (groups !== undefined) return { route: one, params: toParams(groups) };
    if (one.methods.includes(method) && one.pattern.test(path)) return { route: one, params: {} };
  }
  return null;
}

function toParams(groups: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const caught = Object.entries(groups).flatMap(([name, text]) => (text === undefined ? [] : [[name, decode(text)] as const]));
  return Object.fromEntries(caught);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

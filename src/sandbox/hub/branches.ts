import { toAnswer, type Answer } from '../answer.ts';
import { findOwnRepo } from './find-repo.ts';
import type { HubCall } from './hub-call.ts';
import { refuseHub } from './hub-error.ts';
import { parseHubBody } from './parse-hub-body.ts';
import { addCommit, findCommit, mainBranch } from './repo-store.ts';

interface BranchCreate {
  readonly startingPoint?: string;
  readonly emptyBranch?: boolean;
  readonly overwrite?: boolean;
}

/** Makes a branch: only one caller can. */
export function createBranch(call: HubCall): Answer {
  const repo = findOwnRepo(call);
  const branch = call.params['rev'] ?? '';
  const body = call.body.length === 0 ? {} : parseHubBody<BranchCreate>(call, 'HubBranch');
  if (repo.branches.has(branch) && body.overwrite !== true) refuseHub(409, 'Reference already exists');
  const start = body.startingPoint ?? mainBranch;
  const commit = findCommit(repo, start) ?? refuseHub(404, `Invalid rev id: ${start}`, { code: 'RevisionNotFound' });
  if (body.emptyBranch === true)
    addCommit(call.account, repo, { branch, title: 'initial commit', message: '', nowMs: call.nowMs, tree: new Map() });
  else repo.branches.set(branch, commit.oid);
  return toAnswer({ success: true });
}

export function deleteBranch(call: HubCall): Answer {
  const repo = findOwnRepo(call);
  const branch = call.params['rev'] ?? '';
  if (branch === mainBranch) refuseHub(403, 'The default branch cannot be deleted');
  if (!repo.branches.delete(branch)) refuseHub(404, `Invalid rev id: ${branch}`, { code: 'RevisionNotFound' });
  return toAnswer({ success: true });
}

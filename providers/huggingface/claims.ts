import { z } from 'zod';
import { isRefusedWith } from '../../src/provider-kit/http.ts';
import { toIsoTime } from '../../src/provider-kit/json.ts';
import { claimBranch } from './container.ts';
import type { Hub } from '../../src/provider-kit/hub.ts';
import { ignoreStatus } from '../../src/provider-kit/hub-files.ts';

/** A branch with a commit of its own, from which a fence claims. The claim of a job begins at `main`, so that the two differ. */
const fenceBranch = 'orchestrate-fence';

/** Claims an attempt in place of its job, by the branch that only one can make. */
export async function fenceAttempt(hub: Hub, output: string): Promise<void> {
  await makeBranch(hub, output, { branch: fenceBranch, empty: true });
  await makeBranch(hub, output, { branch: claimBranch, revision: fenceBranch });
}

interface NewBranch {
  readonly branch: string;
  readonly empty?: boolean;
  readonly revision?: string;
}

async function makeBranch(hub: Hub, output: string, branch: NewBranch): Promise<void> {
  const { createBranch } = await import('@huggingface/hub');
  const repo = { type: 'model', name: output } as const;
  await hub.call(`create branch ${branch.branch} of ${output}`, async () => {
    await createBranch({ ...hub.params, repo, ...branch }).catch(ignoreStatus(409));
  });
}

const Refs = z.looseObject({ branches: z.array(z.looseObject({ name: z.string(), targetCommit: z.string().nullish() })) });

async function readBranches(hub: Hub, output: string): Promise<Map<string, string | null>> {
  const { branches } = await hub.read(Refs, `/api/models/${output}/refs`);
  return new Map(branches.map(({ name, targetCommit }) => [name, targetCommit ?? null]));
}

/** Whether an attempt is claimed, by its job or by a fence. */
export async function isClaimed(hub: Hub, output: string): Promise<boolean> {
  return (await readBranches(hub, output)).has(claimBranch);
}

/**
 * Since when an attempt is fenced, ISO 8601; null where it is not, or where its job claimed it first. A job that was made later trains nothing.
 */
export async function readFence(hub: Hub, output: string): Promise<string | null> {
  const branches = await readBranches(hub, output).catch((error: unknown) => {
    if (isRefusedWith(error, 404)) return new Map<string, string | null>();
    throw error;
  });
  const claim = branches.get(claimBranch) ?? null;
  if (claim === null || claim !== branches.get(fenceBranch)) return null;
  const commits = await listCommitsOf(hub, output, claimBranch);
  // A job's own claim is a commit of `main`: should the Hub ever begin the fence there too, the job counts.
  if ((await listCommitsOf(hub, output, 'main')).some(({ oid }) => oid === claim)) return null;
  return commits[0] === undefined ? null : toIsoTime(commits[0].date.toISOString());
}

async function listCommitsOf(
  hub: Hub,
  output: string,
  revision: string,
): Promise<readonly { readonly oid: string; readonly date: Date }[]> {
  const { listCommits } = await import('@huggingface/hub');
  const repo = { type: 'model', name: output } as const;
  return await hub.call(`list commits of ${output}`, async () => await Array.fromAsync(listCommits({ ...hub.params, repo, revision })));
}

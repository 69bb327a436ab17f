/** What the Hub said of repositories at commits, kept on this machine: a plan needs the Hub only once, and later none at all. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Failure, isFailure, type FailureCode } from '../errors.ts';
import { writeAtomicJson } from '../lib/fs.ts';
import type { Context } from '../provider/context.ts';
import { getRepositoryFolder, type CachedRepository } from './hub-cache.ts';

/** A file, as a record keeps it. */
export const RecordedFile = z.object({ path: z.string(), size: z.number(), oid: z.string().nullable(), sha256: z.string().nullable() });

export const commitName = /^[0-9a-f]{40}$/;

/** Which commits branches had when they were last asked for. */
const Branches = z.record(z.string(), z.object({ commit: z.string(), at: z.string() }));

/** A connection that fails says nothing about the repository. */
const passing: readonly FailureCode[] = ['service-unreachable', 'service-unavailable', 'timeout', 'rate-limited', 'certificate-invalid'];

export interface RepositoryQuestion<T extends { readonly commit: string }> extends CachedRepository {
  /** A branch, a tag or a commit; null: the main branch. */
  readonly revision: string | null;
  /** What is kept of a commit. */
  readonly schema: z.ZodType<T>;
  /** Asks the Hub. */
  readonly ask: () => Promise<T>;
  /** How to get the repository without this program, one sentence. */
  readonly byHand: string;
}

export interface RepositoryAnswer<T> {
  readonly record: T;
  /** Where the Hub does not answer and what it said before is taken. */
  readonly warning: string | null;
}

/**
 * What a repository is now. A commit that was seen before is not asked for again, and a branch whose Hub does not answer is what it was when
 * it was seen last, with a warning.
 * @throws Failure `model-unavailable`, `file-missing`, `credentials-invalid`, or of the connection, and what `ask` throws
 */
export async function askRepository<T extends { readonly commit: string }>(
  question: RepositoryQuestion<T>,
  context: Context,
): Promise<RepositoryAnswer<T>> {
  const { repository, revision, schema, ask } = question;
  const folder = getRepositoryFolder(question, context);
  const branch = revision ?? 'main';
  const known = commitName.test(branch) ? await readRecord(folder, branch, schema) : null;
  if (known !== null) return { record: known, warning: null };
  try {
    const record = await ask();
    await keep(folder, { record, branch, at: context.now().toISOString() });
    return { record, warning: null };
  } catch (error) {
    const failure = explainRepository(error, question, context);
    const last = isFailure(failure) && passing.includes(failure.code) ? (await readBranches(folder))[branch] : undefined;
    const record = last === undefined ? null : await readRecord(folder, last.commit, schema);
    if (record === null) throw failure;
    const at = `as it was on ${last!.at.slice(0, 10)}, at the commit ${last!.commit}`;
    return { record, warning: `the Hub does not answer: ${repository} is taken ${at}` };
  }
}

/** Says which repository it was, and how to get it by hand. */
export function explainRepository(
  error: unknown,
  { type, endpoint, repository, revision, byHand }: Omit<RepositoryQuestion<never>, 'schema' | 'ask'>,
  context: Pick<Context, 'credential'>,
): unknown {
  if (!isFailure(error) || error.code === 'interrupted' || error.code === 'configuration-invalid') return error;
  const called = `hub:${repository}${revision === null ? '' : `@${revision}`}`;
  const hasToken = context.credential('HF_TOKEN') !== null;
  const details = { error, ...(error.status === null ? {} : { status: error.status }) };
  if (error.status === 404 || (error.status === 401 && !hasToken)) {
    const who = hasToken ? 'this HF_TOKEN may see' : 'everybody may see (HF_TOKEN is not set)';
    const code = type === 'model' ? 'model-unavailable' : 'file-missing';
    return new Failure(code, `${called}: expected a ${type} at ${endpoint} that ${who}, found none: ${error.message}`, {
      ...details,
      hint: `check the name and the revision, and for a private or gated ${type} set HF_TOKEN; or ${byHand}`,
    });
  }
  if (error.status === 401 || error.status === 403) {
    const page = `${endpoint}/${type === 'dataset' ? 'datasets/' : ''}${repository}`;
    return new Failure('credentials-invalid', `${called}: ${error.message}`, {
      ...details,
      hint: `for a gated ${type} agree to its terms at ${page}, with the account of HF_TOKEN; or ${byHand}`,
    });
  }
  return passing.includes(error.code)
    ? new Failure(error.code, `${called}: ${error.message}`, { ...details, hint: `without a network, ${byHand}` })
    : error;
}

function getRecordFile(folder: string, commit: string): string {
  return `${folder}/${commit}.json`;
}

/** What was kept of a commit; null where nothing was, or it cannot be read. */
export async function readRecord<T>(folder: string, commit: string, schema: z.ZodType<T>): Promise<T | null> {
  return schema.safeParse(await readJson(getRecordFile(folder, commit))).data ?? null;
}

async function readBranches(folder: string): Promise<z.infer<typeof Branches>> {
  return Branches.safeParse(await readJson(`${folder}/branches.json`)).data ?? {};
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return null;
  }
}

/** A cache that cannot be written is no reason to fail a look. */
async function keep(
  folder: string,
  { record, branch, at }: { readonly record: { readonly commit: string }; readonly branch: string; readonly at: string },
): Promise<void> {
  try {
    const path = getRecordFile(folder, record.commit);
    await mkdir(dirname(path), { recursive: true });
    await writeAtomicJson(path, record, 'record of the repository');
    if (commitName.test(branch)) return;
    const branches = { ...(await readBranches(folder)), [branch]: { commit: record.commit, at } };
    await writeAtomicJson(`${folder}/branches.json`, branches, 'record of the repository');
  } catch (error) {
    if (!isFailure(error) && !(error instanceof Error && 'code' in error)) throw error;
  }
}

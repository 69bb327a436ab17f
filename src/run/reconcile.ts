import type { Attempt } from '../provider/context.ts';
import type { JobRef } from '../provider/job.ts';
import type { Provider } from '../provider/provider.ts';
import { Failure, toFailureData } from '../errors.ts';
import type { RunEvent } from './event.ts';
import type { RunRecord } from './record.ts';

export const maxAttempts = 3;
/** If no listing succeeds for so long, a person has to decide. */
export const patienceMs = 24 * 3_600_000;

/**
 * Looks for jobs with the key of a run. Of several the oldest stays; the others are cancelled, which a warning reports. Null where there
 * is none, which proves something only if the provider's listing is up to date.
 */
export async function adoptOldestJob(
  provider: Provider,
  record: RunRecord,
  context: Attempt,
): Promise<{ job: JobRef; events: RunEvent[] } | null> {
  const jobs = (await provider.training.find(record.plan.request, record.prepared, context)).toSorted(
    (a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id),
  );
  const [oldest, ...others] = jobs;
  if (oldest === undefined) return null;
  for (const other of others) await provider.training.cancel?.(other, context);
  const message = `the provider had ${jobs.length} jobs of this run: the oldest, ${oldest.id}, stays; cancelled: ${others.map(({ id }) => id).join(', ')}; their cost until then is unknown and not counted`;
  return { job: oldest, events: others.length === 0 ? [] : [{ type: 'note-added', note: { type: 'warning', message } }] };
}

/**
 * Finds out what happened to a submission without an answer: search; wait until a job would be listed; search; fence the attempt, so that
 * a late call must fail; wait until a job that was made before the fence is certainly listed; search twice. A job that is found is adopted.
 * If it is proved absent the next attempt may begin, provided that the provider has a fence and the job allows it. Otherwise the run
 * stops and a person decides, rather than pay twice.
 *
 * The proof is the fence and the full wait after it, which no clock can shorten. Because of the wait before it, a job that exists is
 * seldom fenced off.
 */
export async function reconcile(provider: Provider, record: RunRecord, context: Attempt): Promise<RunEvent[]> {
  const search = async (): Promise<RunEvent[] | null> => {
    const found = await adoptOldestJob(provider, record, context);
    return found === null ? null : [...found.events, { type: 'job-adopted', job: found.job }];
  };
  const since = Date.parse(record.since);
  const age = (): number => context.now().getTime() - since;
  try {
    const found = await search();
    if (found !== null) return found;
    if (age() < provider.listingDelayMs) await context.wait(provider.listingDelayMs - Math.max(0, age()));
    const late = await search();
    if (late !== null) return late;
    if ((record.plan.spec.onUncertain ?? provider.onUncertain ?? 'ask') === 'ask' || provider.training.fence === undefined)
      return [askPerson(record, 'no job of it is listed')];
    await provider.training.fence(record.prepared[record.attempt - 1], context);
    for (const ms of [provider.listingDelayMs, provider.listingDelayMs / 10]) {
      await context.wait(ms);
      const last = await search();
      if (last !== null) return last;
    }
  } catch (error) {
    if (age() < patienceMs) throw error;
    return [askPerson(record, `the provider could not be reached for a day: ${toFailureData(error).message}`)];
  }
  if (record.attempt >= maxAttempts) return [askPerson(record, `no job of it is listed, and ${maxAttempts} attempts are the limit`)];
  return [{ type: 'submission-disproved', attempt: record.attempt }];
}

function askPerson({ attempt, plan }: RunRecord, why: string): RunEvent {
  const { job, target, provider } = plan.spec;
  const failure = new Failure('needs-decision', `attempt ${attempt} to submit ${job}/${target} got no answer: ${why}`, {
    hint: `look for a job with the run key ${plan.key} at ${provider}, then \`orchestrate resolve ${job}/${target} --adopt ID | --absent | --cancel\``,
  });
  return { type: 'attention-needed', failure: toFailureData(failure) };
}

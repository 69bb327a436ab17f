import type { Attempt, Provider } from '../contract/provider.ts';
import { Failure, toFailureData } from '../failure.ts';
import type { RunEvent } from './event.ts';
import type { RunRecord } from './fold.ts';

const maxAttempts = 3;

/**
 * What became of a submission without an answer: look, wait until a job would surely be listed, fence the attempt so that a late
 * call must fail, and look again. A job that is found is adopted; one that is proved absent lets the next attempt begin; without a
 * proof the run stops and asks rather than pay twice.
 */
export async function settle(provider: Provider, record: RunRecord, c: Attempt): Promise<RunEvent> {
  const look = async (): Promise<RunEvent | null> => {
    const [job] = await provider.find(record.plan.request, record.prepared, c);
    return job === undefined ? null : { type: 'job-adopted', job };
  };
  const found = await look();
  if (found !== null) return found;
  await c.wait(provider.settleMs);
  const late = await look();
  if (late !== null) return late;
  if (provider.fence !== undefined && record.attempt < maxAttempts) {
    await provider.fence(record.prepared[record.attempt - 1], c);
    return (await look()) ?? { type: 'submission-disproved', attempt: record.attempt };
  }
  const failure = new Failure('needs-decision', `attempt ${record.attempt} to submit had no answer, and no job of it is listed`, {
    hint: 'look for the job at the provider before you submit again',
  });
  return { type: 'attention-needed', failure: toFailureData(failure) };
}

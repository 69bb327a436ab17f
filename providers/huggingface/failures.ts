import { Failure } from '../../src/errors.ts';

/** Says what to do about a refusal, where its words are known. */
export function explain(failure: Failure): Failure {
  const hint = toHint(failure);
  if (hint === null) return failure;
  const { code, message, retryAfterMs } = failure;
  return new Failure(code, message, { hint, ...(retryAfterMs === null ? {} : { retryAfterMs }) });
}

function toHint({ code, message }: Failure): string | null {
  if (code === 'credentials-invalid' && /\bfound 403\b/.test(message)) {
    return 'the token works and may not do this: it needs to write repositories and to start jobs in this namespace';
  }
  if (code === 'credentials-invalid') return 'check HF_TOKEN: whether it is whole, not revoked, and belongs to this Hub';
  if (/\bfound 402\b/.test(message)) return 'jobs are paid in advance: add credit at https://huggingface.co/settings/billing';
  return null;
}

import { createHash } from 'node:crypto';

/** The Hub's identifier of an account. */
export function toAccountId(name: string): string {
  return createHash('sha1').update(name).digest('hex').slice(0, 24);
}

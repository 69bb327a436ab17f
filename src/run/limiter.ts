import type { Store } from '../store/open-store.ts';

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** No pause is longer: one that seems to be was planned before the clock was set back. */
export const longestPauseMs = 900_000;

export interface TokenRequest {
  readonly rate: Rate;
  readonly at: number;
  /** False takes no token that has to be waited for. */
  readonly isPatient?: boolean | undefined;
}

/**
 * Takes one request from the rate limit of a service, which all processes share: a bucket of `burst` tokens that fills with `perSecond`.
 * @returns how long to wait before the request, in milliseconds
 */
export async function takeToken(store: Store, name: string, { rate, at, isPatient = true }: TokenRequest): Promise<number> {
  return await store.transaction().execute(async (tx) => {
    const row = await tx.selectFrom('limiter').selectAll().where('name', '=', name).executeTakeFirst();
    const before = row === undefined ? rate.burst : Number(row.tokens);
    // A clock that was set back adds no tokens and removes none.
    const passed = row === undefined ? 0 : Math.max(0, at - row.updated_at) / 1000;
    const tokens = Math.min(rate.burst, before + passed * rate.perSecond) - 1;
    const blocked = row?.blocked_until ?? 0;
    const values = { name, tokens: JSON.stringify(tokens), updated_at: at, blocked_until: blocked };
    const waitMs = Math.ceil(Math.max(tokens >= 0 ? 0 : (-tokens / rate.perSecond) * 1000, Math.min(blocked - at, longestPauseMs)));
    if (waitMs > 0 && !isPatient) return waitMs;
    await tx
      .insertInto('limiter')
      .values(values)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
      .execute();
    return waitMs;
  });
}

/** The service asked for no requests before this time (Retry-After): all processes wait. */
export async function blockRequests(store: Store, name: string, until: number): Promise<void> {
  const values = { name, tokens: '0', updated_at: until, blocked_until: until };
  await store
    .insertInto('limiter')
    .values(values)
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ blocked_until: until }))
    .execute();
}

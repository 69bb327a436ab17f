/** What a service does wrong with one request; without one it answers as it should. */
export type Fault =
  | { readonly type: 'ok' }
  /** The connection is cut: before anything has happened, or after it has. */
  | { readonly type: 'drop-before' | 'drop-after' }
  | { readonly type: '500-before' | '500-after' }
  /** Nothing has happened; come back after a second. */
  | { readonly type: '429' }
  /** It has happened, and no answer comes. */
  | { readonly type: 'hang-after' }
  /** No answer comes, and it happens so many ms after the request, when the client has given up. */
  | { readonly type: 'late'; readonly ms: number }
  /** It has happened; the answer ends in its middle, or is a page of HTML with status 200. */
  | { readonly type: 'cut' | 'html' }
  /** Nothing has happened; a page of HTML with status 200 is the answer. */
  | { readonly type: 'html-before' };

export const requestKinds = ['upload', 'fence', 'create', 'list', 'get', 'cancel'] as const;
export type RequestKind = (typeof requestKinds)[number];

/** How a service behaves in one trial: the faults of each kind of request in their order, after which all is well. */
export interface Plan {
  readonly faults?: Readonly<Partial<Record<RequestKind, readonly Fault[]>>>;
  /** A created job is listed after so many ms; at most the provider's `settleMs`. */
  readonly listLagMs?: number;
  /** Looks until a job has succeeded. */
  readonly looks?: number;
}

/** A created job is listed within this time, in ms. */
export const settleMs = 300;
/** The client gives a request up after this time, in ms. */
export const timeoutMs = 250;

/** The plans of the trials by name. */
export const plans: Readonly<Record<string, Plan>> = {
  ok: {},
  'drop-before': { faults: { create: [{ type: 'drop-before' }] } },
  'drop-after': { faults: { create: [{ type: 'drop-after' }] } },
  '500-before': { faults: { create: [{ type: '500-before' }] } },
  '500-after': { faults: { create: [{ type: '500-after' }] } },
  '429': { faults: { create: [{ type: '429' }] } },
  'hang-after': { faults: { create: [{ type: 'hang-after' }] } },
  cut: { faults: { create: [{ type: 'cut' }] } },
  html: { faults: { create: [{ type: 'html' }] } },
  'html-before': { faults: { create: [{ type: 'html-before' }] } },
  'late-soon': { faults: { create: [{ type: 'late', ms: timeoutMs + 100 }] } },
  'late-long': { faults: { create: [{ type: 'late', ms: timeoutMs + settleMs + 250 }] } },
  stale: { listLagMs: 200, faults: { create: [{ type: 'drop-after' }] } },
  'stale-ok': { listLagMs: 200 },
  'twice-lost': { faults: { create: [{ type: 'drop-before' }, { type: '500-before' }] } },
  'all-kinds': {
    faults: {
      upload: [{ type: 'ok' }, { type: 'drop-after' }],
      create: [{ type: 'drop-before' }, { type: 'hang-after' }],
      list: [...Array.from({ length: 7 }, () => ({ type: 'ok' }) as const), { type: '500-before' }, { type: 'cut' }],
      fence: [{ type: 'drop-after' }],
      get: [{ type: 'ok' }, { type: 'html' }],
    },
  },
};

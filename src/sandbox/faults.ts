import { z } from 'zod';

/** The kinds of requests that the sandbox tells apart. */
export const RequestKind = z.enum([
  ...(['upload', 'file', 'files', 'content', 'delete'] as const),
  ...(['upload-create', 'upload-part', 'upload-complete'] as const),
  ...(['create', 'list', 'get', 'events', 'checkpoints', 'cancel', 'pause', 'resume'] as const),
  ...(['models', 'chat'] as const),
  ...(['deploy', 'deployment', 'deployment-delete'] as const),
  ...(['upload-put', 'preprocess', 'estimate', 'limits', 'metrics', 'job-delete'] as const),
  ...(['whoami', 'repo-create', 'repo-delete', 'repo', 'tree', 'branch', 'branch-delete', 'preupload', 'commit', 'resolve'] as const),
  ...(['lfs-batch', 'lfs-upload', 'lfs-download'] as const),
  ...(['job-create', 'job-list', 'job-get', 'job-logs', 'job-cancel', 'job-hardware'] as const),
]);
export type RequestKind = z.infer<typeof RequestKind>;

export const Milliseconds = z.int().min(0).max(1e12);

/**
 * What goes wrong with one request. `…-before`: nothing has happened; `…-after`: the request was carried out and its answer is lost.
 *
 * - `ok`: nothing goes wrong
 * - `drop-before`, `drop-after`: the connection is cut
 * - `500-before`, `500-after`: an error of the service
 * - `429`: nothing has happened; try again after so many seconds (default 1)
 * - `hang-after`: it was carried out, and no answer comes
 * - `late`: no answer comes, and the request is carried out so many ms after its arrival
 * - `cut`: it was carried out, and the answer ends in its middle
 * - `early-end`: a stream ends in its middle as if it were over; any other answer is whole
 * - `html`, `html-before`: the answer is a page of HTML with status 200
 */
export const Fault = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.enum([
      ...(['ok', 'drop-before', 'drop-after', '500-before', '500-after', 'hang-after'] as const),
      ...(['cut', 'early-end', 'html', 'html-before'] as const),
    ]),
  }),
  z.strictObject({ type: z.literal('429'), retryAfterSeconds: z.number().min(0).optional() }),
  z.strictObject({ type: z.literal('late'), ms: Milliseconds }),
]);
export type Fault = Readonly<z.infer<typeof Fault>>;

/** The faults of the 1st, 2nd, … request of a kind, after which all is well. */
export const FaultPlans = z.partialRecord(RequestKind, z.array(Fault));
export type FaultPlans = { readonly [kind in RequestKind]?: readonly Fault[] };

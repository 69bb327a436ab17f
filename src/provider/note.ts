/**
 * What became of a field of the job on its way to a service. Every field of the job, and every setting that the service chooses, ends
 * as one of these; the plan, `status` and the run record show them.
 */
export type Note =
  | { readonly type: 'sent'; readonly field: string; readonly value: unknown; readonly why?: string }
  | { readonly type: 'converted'; readonly field: string; readonly from: unknown; readonly value: unknown; readonly why: string }
  | { readonly type: 'defaulted'; readonly field: string; readonly value: unknown; readonly why?: string }
  | { readonly type: 'unsupported'; readonly field: string; readonly value: unknown; readonly why: string }
  | { readonly type: 'warning'; readonly message: string };

/** Whether something differs from the job: a reader should see these notes first. */
export function isDifference(note: Note): boolean {
  return note.type === 'converted' || note.type === 'unsupported' || note.type === 'warning';
}

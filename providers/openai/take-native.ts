import { Failure } from '../../src/errors.ts';
import type { Note } from '../../src/provider/note.ts';

/** Fields of the create call that the job says by other words, and `rows`, which is our own. */
const owned = ['model', 'training_file', 'validation_file', 'method', 'hyperparameters', 'seed', 'suffix', 'rows'];

/** What stands in a job's metadata to find it again. */
export const keyName = 'orchestrate_key';
export const attemptName = 'orchestrate_attempt';

export interface MappedNative {
  /** Merged into the body as they are. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly notes: readonly Note[];
}

/**
 * The raw fields of a target.
 * @param more fields that the dialect has options for
 * @throws Failure `job-file-invalid` for one that would change what the job says, or how its runs are found
 */
export function mapNative(native: Readonly<Record<string, unknown>>, target: string, more: readonly string[]): MappedNative {
  const baseUrl = `targets.${target}.native`;
  for (const field of Object.keys(native)) {
    if (!owned.includes(field) && !more.includes(field)) continue;
    throw new Failure('job-file-invalid', `${baseUrl}.${field}: expected a field that the job has no word for, found "${field}"`, {
      hint: more.includes(field) ? `"options" has it: targets.${target}.options.${field}` : 'say it with the fields of the job file',
    });
  }
  const notes: Note[] = Object.entries(native).map(([field, value]) => ({ type: 'sent', field: `native.${field}`, value }));
  if (native['metadata'] !== undefined) notes.push(...checkMetadata(native['metadata'], baseUrl));
  return { fields: native, notes };
}

/** Metadata of the service: 16 pairs, keys of 64 and values of 512 characters at most; two pairs are ours. */
function checkMetadata(metadata: unknown, baseUrl: string): Note[] {
  const pairs = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? Object.entries(metadata) : null;
  if (pairs === null || pairs.some(([, value]) => typeof value !== 'string')) {
    throw new Failure('job-file-invalid', `${baseUrl}.metadata: expected an object of strings, found something else`);
  }
  const ours = pairs.find(([key]) => key === keyName || key === attemptName);
  if (ours !== undefined) {
    throw new Failure('job-file-invalid', `${baseUrl}.metadata.${ours[0]}: expected a key of your own, found one by which runs are found`);
  }
  const problems = [
    ...(pairs.length > 14 ? [`14 pairs of metadata beside two of ours, and is sent ${pairs.length}`] : []),
    ...pairs.filter(([key]) => key.length > 64).map(([key]) => `keys of at most 64 characters, and is sent one of ${key.length}`),
    ...(pairs as [string, string][])
      .filter(([, value]) => value.length > 512)
      .map(([key, value]) => `values of at most 512 characters, and is sent one of ${value.length} for ${JSON.stringify(key)}`),
  ];
  return problems.map((problem) => ({ type: 'warning', message: `the service expects ${problem}` }));
}

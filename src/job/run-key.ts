import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { RunSpec } from './run-spec.ts';

/** 32 characters of `a-z2-7` that identify a paid training. */
export type RunKey = string;

/** The content of the data and the model; hashes are SHA-256 in hex. */
export interface ContentHashes {
  /** Over the decompressed bytes of the training sources in list order. */
  readonly train: string;
  /** The same of the validation sources; null where they are a fraction of the training rows, or absent. */
  readonly validation: string | null;
  /** The revision of a local model folder; null for other models, whose name is their revision. */
  readonly model: string | null;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** The first 160 bits as RFC 4648 base32, lower case: 32 characters. */
function toBase32(digest: Buffer): string {
  const bits = [...digest.subarray(0, 20)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.replaceAll(/.{5}/g, (five) => alphabet[parseInt(five, 2)]!);
}

/**
 * Everything in a RunSpec that changes the training, and nothing else: no path, test set of its own, evaluation, budget, tag, `strict`,
 * default or program version.
 */
export function buildFingerprint(spec: RunSpec, hashes: ContentHashes): Readonly<Record<string, unknown>> {
  const { testFraction, quote, columns } = spec.data;
  const validation = spec.data.validation !== null && 'fraction' in spec.data.validation ? spec.data.validation : hashes.validation;
  return {
    task: spec.task,
    data: {
      train: hashes.train,
      validation,
      columns,
      ...(quote !== undefined && { quote }),
      ...(testFraction !== undefined && { testFraction }), // its rows are not trained on
    },
    prompt: spec.prompt,
    training: spec.training,
    provider: spec.provider,
    model: spec.model.kind === 'folder' ? { revision: hashes.model } : spec.model,
    options: spec.options,
    native: spec.native,
  };
}

/** The run key: base32(sha256(canonical JSON of ["run/1", workspace, job, target, generation, fingerprint])), 32 characters. */
export function buildRunKey(spec: RunSpec, generation: number, fingerprint: Readonly<Record<string, unknown>>): RunKey {
  const identity = ['run/1', spec.workspace, spec.job, spec.target, generation, fingerprint];
  return toBase32(createHash('sha256').update(canonicalize(identity)!).digest());
}

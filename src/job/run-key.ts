import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { RunSpec } from './run-spec.ts';

/** 32 characters of `a-z2-7`: identifies what is paid for. */
export type RunKey = string;

/** What is known of the data and the model when the key is made; hashes are SHA-256 in hex. */
export interface ContentHashes {
  /** Over the decompressed bytes of the training sources in list order. */
  readonly train: string;
  /** The same of the validation sources; null where they are a fraction of the training rows, or absent. */
  readonly validation: string | null;
  /** The revision of a local model folder; null for other models, whose name is their revision. */
  readonly model: string | null;
}

/** RFC 4648 base32, lower case, without padding. */
function toBase32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  let bits = 0;
  let held = 0;
  let text = '';
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + alphabet[(held << (5 - bits)) & 31];
}

/**
 * Everything in a RunSpec that changes what is trained, and nothing else: no path, test set, evaluation, budget, tag, `strict`,
 * default or program version.
 */
export function buildFingerprint(spec: RunSpec, hashes: ContentHashes): Readonly<Record<string, unknown>> {
  const validation = spec.data.validation !== null && 'fraction' in spec.data.validation ? spec.data.validation : hashes.validation;
  return {
    task: spec.task,
    data: { train: hashes.train, validation, columns: spec.data.columns },
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
  return toBase32(createHash('sha256').update(canonicalize(identity)!).digest()).slice(0, 32);
}

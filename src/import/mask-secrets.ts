/** The text that replaces a secret. */
export const mask = '(hidden)';

/** Names of fields that contain secrets; tokens of a vocabulary (`eos_token`) are not secret. */
const secretName = /(^|[_-])(token|secret|password|passwd|credentials?|(api|access|private|secret)[_-]?key)s?$/i;
const vocabulary = /(^|_)(eos|bos|pad|unk|sep|cls|mask|image)_token$/i;

/** Keys as the services write them, authorization headers, and addresses with a password. */
const secretText = /\bhf_[a-z0-9]{12,}|\b(sk|tgp|ghp|gho|github_pat|xox[bap])[-_][\w-]{12,}|\bBearer\s+\S{8,}|:\/\/[^/\s:@]*:[^/\s@]+@/i;

/** Whether a text, by itself or by the name of its field, is a secret. `${NAME}` only names one. */
export function isSecret(value: unknown, name: string): boolean {
  if (typeof value !== 'string' || value === '' || /^\$\{\w+\}$/.test(value)) return false;
  return (secretName.test(name) && !vocabulary.test(name)) || secretText.test(value);
}

/** A plain JSON value with every secret in it masked; `name` is the name of its field. */
export function maskSecrets(value: unknown, name: string): unknown {
  if (isSecret(value, name)) return mask;
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item, name));
  if (typeof value !== 'object' || value === null) return value;
  // A name may be a secret too, if somebody put a credential in the wrong place.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [isSecret(key, '') ? mask : key, maskSecrets(item, key)]));
}

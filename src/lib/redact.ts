import { inspect } from 'node:util';

const mask = '[secret]';

/** A credential that cannot be printed, stored or logged by accident: only `reveal` gives it away. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return mask;
  }

  toJSON(): string {
    return mask;
  }

  [inspect.custom](): string {
    return mask;
  }
}

/**
 * What credentials look like, for those that nobody told us: services echo keys, and redirects carry signed addresses. Each begins where
 * a word begins, so that a long hostile text takes time in proportion to its length.
 */
const shapes: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)[ \t]+[\w.~+/=-]{8,}/gi, `$1 ${mask}`],
  [/(?<![\w-])sk-(?=[\w*-]*[\d*])[\w*-]{12,}/g, mask],
  [/\bhf_[A-Za-z0-9]{12,}/g, mask],
  [/\bwhsec_[\w+/=-]{12,}/g, mask],
  [/\bAKIA[A-Z0-9]{16}\b/g, mask],
  [/(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g, mask], // a JWT: base64url of `{"…`, twice, and its signature
  [/([?&](?:[\w-]*(?:signature|token|secret|api-?key)|sig)=)[^&\s"'<>]+/gi, `$1${mask}`],
  [/(\/\/)[^/\s:@]+:[^/\s@]+@/g, `$1${mask}@`],
];

/** Shorter texts stand in ordinary words: masking them would leave nothing to read. */
const fewestCharacters = 4;

/** Masks these secrets, as they are and as base64, addresses and JSON write them, and everything that looks like a credential. */
export function createRedactor(secrets: readonly Secret[]): (text: string) => string {
  const forms = new Set(secrets.flatMap((secret) => toForms(secret.reveal())).filter(({ length }) => length >= fewestCharacters));
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return (text) => {
    const masked = longestFirst.reduce((rest, form) => rest.replaceAll(form, mask), text);
    return shapes.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), masked);
  };
}

function toForms(secret: string): string[] {
  const url = encodeURIComponent(secret.toWellFormed());
  const form = new URLSearchParams({ '': secret }).toString().slice(1);
  const toLower = (text: string): string => text.replaceAll(/%../g, (hex) => hex.toLowerCase());
  const base64 = [0, 1, 2].map((before) => toBase64Within(secret, before));
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    ...[url, form].flatMap((text) => [text, toLower(text)]),
    ...base64.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')]),
  ];
}

/** The characters that a text leaves in a base64 that holds more: each 3 bytes are 4 characters, wherever it begins among them. */
function toBase64Within(text: string, before: number): string {
  const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
  return bytes.toString('base64').slice(Math.ceil((before * 4) / 3), Math.floor((bytes.length * 4) / 3));
}

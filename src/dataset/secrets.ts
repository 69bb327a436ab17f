/** Keys, secrets and personal data in texts, found with few false alarms. No finding holds a secret. */

export interface FoundSecret {
  /** What it is, with its article. */
  readonly kind: string;
  /** Its first characters, which say no more than its kind does. */
  readonly begin: string;
  readonly length: number;
}

interface SecretKind {
  readonly kind: string;
  readonly pattern: RegExp;
  /** Of the match, what has to look random; absent: the pattern says enough. */
  readonly group?: number;
  readonly begin: number;
}

const kinds: readonly SecretKind[] = [
  { kind: 'a key of Anthropic', pattern: /(?<![\w-])sk-ant-[\w-]{20,}/, begin: 7 },
  { kind: 'a key of OpenAI', pattern: /(?<![\w-])sk-(?:proj-|svcacct-|admin-|None-)?([A-Za-z0-9_-]{20,})/, group: 1, begin: 3 },
  { kind: 'a key of AWS', pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{12}(?:[A-Z2-7]{4})(?![A-Za-z0-9])/, begin: 4 },
  { kind: 'a token of GitHub', pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})/, begin: 4 },
  { kind: 'a token of GitLab', pattern: /(?<![\w-])glpat-([\w-]{20,})/, group: 1, begin: 6 },
  { kind: 'a token of Hugging Face', pattern: /(?<![A-Za-z0-9])hf_([A-Za-z0-9]{30,})/, group: 1, begin: 3 },
  { kind: 'a token of Slack', pattern: /(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{16,}/, begin: 5 },
  { kind: 'an address of Slack that posts', pattern: /hooks\.slack\.com\/services\/T\w{6,}\/B\w{6,}\/\w{16,}/, begin: 15 },
  { kind: 'a key of Google', pattern: /(?<![\w-])AIza[\w-]{35}(?![\w-])/, begin: 4 },
  { kind: 'a key of Stripe', pattern: /(?<![A-Za-z0-9])[rs]k_live_[A-Za-z0-9]{16,}/, begin: 8 },
  { kind: 'a token of npm', pattern: /(?<![A-Za-z0-9])npm_([A-Za-z0-9]{36})(?![A-Za-z0-9])/, group: 1, begin: 4 },
  { kind: 'a token (JWT)', pattern: /(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}/, begin: 3 },
  {
    kind: 'a private key',
    pattern: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*[A-Za-z0-9+/=:,. -]{16,}/,
    begin: 10,
  },
  {
    kind: 'a password in an address',
    pattern:
      /\b[a-z][a-z+]{1,15}:\/\/[^\s:@/"']{1,64}:(?!(?:pass|password|passwd|secret|changeme|example)@)([^\s:@/"'{}$<>*]{6,})@[\w.-]+/i,
    begin: 0,
  },
  {
    kind: 'a secret',
    pattern:
      /(?:api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|client[_-]?secret|auth[_-]?token|access[_-]?token|secret|password|passwd|token)["'\\]{0,3}\s{0,3}(?:=|:|=>|:=)\s{0,3}["'\\]{0,3}([A-Za-z0-9+/_.~-]{20,}={0,2})(?![A-Za-z0-9+/_.~(-])/i,
    group: 1,
    begin: 0,
  },
];

/** Every secret that is looked for is at least so long, without white space. */
const shortest = 20;

/** The first secret of a text; null: none. */
export function findSecret(text: string): FoundSecret | null {
  for (let at = findRun(text, 0); at >= 0;) {
    const end = findBreak(text, at);
    // A name, or the heading of a private key, may stand before it.
    const found = findIn(text.slice(Math.max(0, at - 60), end));
    if (found !== null) return found;
    at = findRun(text, end);
  }
  return null;
}

function findIn(text: string): FoundSecret | null {
  for (const { kind, pattern, group, begin } of kinds) {
    const match = pattern.exec(text);
    if (match === null || (group !== undefined && !isRandom(match[group]!, begin > 0))) continue;
    const [whole] = match;
    if (placeholder.test(whole) || (begin === 0 && example.test(whole))) continue;
    return { kind, begin: whole.slice(0, begin), length: whole.length };
  }
  return null;
}

/**
 * Where the next run of so many characters without white space begins; -1: none. It looks at every twentieth character and goes back to the
 * last break before it, so that it reads a small part of a text of words.
 */
function findRun(text: string, from: number): number {
  let start = from;
  while (start + shortest <= text.length) {
    let at = start + shortest - 1;
    while (at >= start && !isBreak(text.charCodeAt(at))) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return -1;
}

function findBreak(text: string, from: number): number {
  let at = from;
  while (at < text.length && !isBreak(text.charCodeAt(at))) at++;
  return at;
}

/** White space, and what is not ASCII: languages without spaces would be one run. */
function isBreak(code: number): boolean {
  return code <= 0x20 || code > 0x7e;
}

/** Bits a character; words of a language and names with underscores have fewer digits and repeat letters. */
const leastEntropy = 3.2;

/**
 * Whether a text looks as if it was drawn: letters with digits among them, and hardly one character more often than others.
 * @param isNamed says that something before it tells its kind: a long text without digits is enough then
 */
function isRandom(text: string, isNamed: boolean): boolean {
  const words = text.split(/[-_./]/);
  const isOfWords = words.every((word) => word.length < 8 || /^(?:[A-Z]?[a-z]+|[A-Z]+|\d+)$/.test(word));
  const isLong = isNamed && words.some((word) => word.length >= 30);
  if (!isLong && (isOfWords || !/\d/.test(text) || !/[A-Za-z]/.test(text))) return false;
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / text.length) * Math.log2(count / text.length);
  return entropy >= leastEntropy;
}

/** What manuals write in the place of a secret. */
const placeholder = /x{8,}|X{8,}|\*{4,}|\.\.\.|your[-_]/;
const example = /example|placeholder|0{8,}|123456789/i;

/** Kinds of personal data, with how often each stands in a text. */
export interface PersonalData {
  readonly emails: number;
  readonly phones: number;
}

const emailPattern = /[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}(?![\w@])/g;
/** Names that stand for nobody (RFC 2606). */
const nobody = /@(?:.*\.)?example\.(?:com|net|org)$|\.(?:example|test|invalid|localhost)$/i;

/** With the country, or as North America and Germany write them: other rows of digits are more often no numbers of telephones. */
const phonePattern =
  /(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}|(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}|\(?0\d{2,4}\)?[ /-]\d{3}[ -]?\d{3,5})(?![\w-]|\.\d)/g;

/** The shortest of them. */
const phoneLength = 10;

/** Addresses of e-mail and numbers of telephones in a text. */
export function countPersonalData(text: string): PersonalData {
  const emails = text.includes('@') ? (text.match(emailPattern)?.filter((address) => !nobody.test(address)).length ?? 0) : 0;
  return { emails, phones: mayHavePhone(text) ? countPhones(text) : 0 };
}

function countPhones(text: string): number {
  return (
    text.match(phonePattern)?.filter((number) => {
      const digits = number.replaceAll(/\D/g, '');
      return digits.length >= 8 && digits.length <= 15 && !/^(\d)\1*$/.test(digits) && !/555[ .-]?01\d\d$/.test(number);
    }).length ?? 0
  );
}

/** Whether a row of digits and the characters between them is long enough; it looks at few characters, as `findRun` does. */
function mayHavePhone(text: string): boolean {
  let start = 0;
  while (start + phoneLength <= text.length) {
    let at = start + phoneLength - 1;
    while (at >= start && isOfNumber(text.charCodeAt(at))) at--;
    if (at < start) return true;
    start = at + 1;
  }
  return false;
}

/** Digits, space, and ( ) + - . / */
function isOfNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x20 || (code >= 0x28 && code <= 0x2f && code !== 0x2a && code !== 0x2c);
}

import { describe, expect, test } from 'vitest';
import { countPersonalData, findSecret } from '../../src/dataset/secrets.ts';
import { toStreamKey, toUint32 } from '../../src/lib/random.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Made here, so that no file of the project looks as if it held a secret. */
function draw(length: number, alphabet = letters): string {
  const key = toStreamKey(7, 'row', length);
  return Array.from({ length }, (_, i) => alphabet[toUint32(key, i) % alphabet.length]).join('');
}

const secrets: readonly [kind: string, secret: string][] = [
  ['a key of OpenAI', `sk-${draw(48)}`],
  ['a key of OpenAI', `sk-proj-${draw(60)}_${draw(60)}`],
  ['a key of Anthropic', `sk-ant-api03-${draw(80)}`],
  ['a key of AWS', `AKIA${draw(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}`],
  ['a token of GitHub', `ghp_${draw(36)}`],
  ['a token of GitHub', `github_pat_${draw(22)}_${draw(59)}`],
  ['a token of GitLab', `glpat-${draw(20)}`],
  ['a token of Hugging Face', `hf_${draw(34)}`],
  ['a token of Slack', `xoxb-${draw(12, '0123456789')}-${draw(24)}`],
  ['an address of Slack that posts', `https://hooks.slack.com/services/T${draw(8)}/B${draw(8)}/${draw(24)}`],
  ['a key of Google', `AIza${draw(35)}`],
  ['a key of Stripe', `sk_live_${draw(24)}`],
  ['a token of npm', `npm_${draw(36)}`],
  ['a token (JWT)', `eyJ${draw(30)}.eyJ${draw(40)}.${draw(43)}`],
  ['a private key', `-----BEGIN RSA PRIVATE KEY-----\nMIIE${draw(60)}\n${draw(64)}`],
  ['a private key', `-----BEGIN PRIVATE KEY-----\\nMIIE${draw(60)}\\n`],
  ['a password in an address', `postgres://admin:${draw(12)}@db.intern:5432/shop`],
  ['a secret', `password = "${draw(24)}"`],
  ['a secret', `{"api_key": "${draw(32, '0123456789abcdef')}"}`],
  ['a secret', `AWS_SECRET_ACCESS_KEY=${draw(40)}`],
];

describe('secrets', () => {
  test.each(secrets)('%s is found in a text, and not repeated', (kind, secret) => {
    const found = findSecret(`Naïve users write: it is ${secret}, please use it.`);
    expect(found?.kind).toBe(kind);
    expect(found!.begin.length).toBeLessThanOrEqual(15);
    expect(secret.includes(found!.begin)).toBe(true);
    expect(found!.length).toBeGreaterThanOrEqual(20);
  });

  test.each([
    'https://www.somewhere.com/path/to/article-2023-12-11-about-things?utm_source=newsletter&id=12345',
    'sk-learn-is-a-great-library-for-machine-learning',
    `sk-${'x'.repeat(40)}`,
    'hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'commit 3f786850e387550fdab836ed7e6dc881de23001b',
    'password: correct_horse_battery_staple_and_more',
    'token_count = self.tokenizer.encode_batch_fast(texts)',
    'secret = os.environ["MY_SECRET_KEY_NUMBER_2"]',
    'api_key="your-api-key-goes-here-1234567890"',
    'postgres://user:password@localhost:5432/db',
    'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA',
    `${'我'.repeat(50)}password`,
    'a'.repeat(1000),
    '-----BEGIN PUBLIC KEY-----',
  ])('%s is none', (text) => {
    expect(findSecret(`x ${text} y`)).toBeNull();
  });
});

test.each([
  ['mail bob@mail.com, or ann.b+c@sub.firm.co.uk', 2, 0],
  ['a@example.com and b@test.example.org and c@host.invalid stand for nobody', 0, 0],
  ['x@y, @name, a@b.c1, 5 @ 3.50', 0, 0],
  ['call +49 30 1234567 or (212) 736-5000', 0, 2],
  ['212-736-5000, 1.800.273.8255, 030 1234567, +1-800-273-8255', 0, 4],
  ['on 2024-01-15 10:30, 192.168.100.200, 1 000 000 000 000, 978-3-16-148410-0, 3.14159265358979', 0, 0],
  ['212-555-0123 is of a film, 555-555-5555 of nobody', 0, 0],
])('%s: %i addresses, %i numbers', (text, emails, phones) => {
  expect(countPersonalData(text)).toEqual({ emails, phones });
});

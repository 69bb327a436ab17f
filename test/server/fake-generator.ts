/**
 * Speaks the protocol of `trainer generate` without a model. What it does stands in the last line of the prompt:
 * `count N` writes N tokens; `say WORDS` those words; `settings` what it was asked; `hang` begins and waits for its cancellation; `cancelled` which
 * requests were cancelled; `long` cannot be answered; `die` ends the process, and `die once` only where the file of the first argument is not there
 * yet; `die late` does so after the first token.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

interface Request {
  readonly id: string;
  readonly cancel?: true;
  readonly text: string;
  readonly maxTokens: number;
  readonly logprobs?: number;
}

const [marker] = process.argv.slice(2);
const cancelled: string[] = [];
const open = new Map<string, string>();
const put = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

function die(why: object): never {
  process.stderr.write(`some words before\n${JSON.stringify({ failure: why })}\n`);
  process.exit(1);
}

function write({ id, text, maxTokens, logprobs }: Request, tokens: readonly string[]): void {
  for (const delta of tokens.slice(0, maxTokens)) {
    const top = [delta, 'other'].slice(0, logprobs).map((token, i) => ({ token, logprob: -0.5 - i }));
    put({ id, delta, ...(logprobs === undefined ? {} : { logprob: -0.5, top }) });
  }
  const reason = tokens.length > maxTokens ? 'length' : 'stop';
  put({ id, done: { reason, promptTokens: text.split(/\s+/).length, tokens: Math.min(tokens.length, maxTokens) } });
}

function answer(request: Request): void {
  const { id, text } = request;
  const command =
    /(?:^|\n)(?:user: )?(count \d+|say [^\n]*|settings|prompt|hang|cancelled|long|die once|die late|die)\s*(?:\nassistant:\s*)?$/.exec(
      text,
    )?.[1];
  const failure = { code: 'trainer-died', cause: 'program', message: `died of ${command}`, hint: null, retryable: false };
  if (command === 'die') die(failure);
  if (command === 'die once' && !existsSync(marker!)) {
    writeFileSync(marker!, '');
    die(failure);
  }
  if (command === 'die late') {
    put({ id, delta: 'begun' });
    setImmediate(() => die(failure)); // once the line is out
    return;
  }
  if (command === 'long')
    return put({ id, failure: { ...failure, code: 'data-invalid', message: 'the prompt has 900 tokens, the model reads 512' } });
  if (command === 'hang') {
    open.set(id, text);
    return put({ id, delta: 'begun' });
  }
  if (command === 'settings') return write(request, [JSON.stringify(request)]);
  if (command === 'prompt') return write(request, [text]);
  if (command === 'cancelled') return write(request, [String(cancelled.length)]);
  if (command?.startsWith('count'))
    return write(
      request,
      Array.from({ length: Number(command.slice(6)) }, (_, i) => `${i} `),
    );
  write(request, (command ?? 'say nothing').slice(4).split(/(?<= )/));
}

let isFirst = true;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (isFirst) {
    const file = request as unknown as { version: number; model: { folder: string; maxLength: number } };
    if (file.version !== 1 || typeof file.model.folder !== 'string' || file.model.maxLength !== 512) die({ code: 'usage', message: line });
    isFirst = false;
    put({ noise: true });
  } else if (request.cancel === true) {
    cancelled.push(request.id);
    open.delete(request.id);
  } else answer(request);
}

import type { Sandbox } from '../../src/sandbox/main.ts';

/** What somebody else has done at the service, by its own interface. */
export interface Asking {
  readonly sandbox: Sandbox;
  readonly apiKey: string;
  readonly dialect: 'openai' | 'azure';
}

async function ask({ sandbox, apiKey, dialect }: Asking, method: string, path: string, body?: FormData | object): Promise<unknown> {
  const base = dialect === 'azure' ? `${sandbox.url}/openai/v1` : `${sandbox.url}/v1`;
  const json = body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' };
  const content = body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) };
  const answer = await fetch(`${base}${path}`, { method, headers: { authorization: `Bearer ${apiKey}`, ...json }, ...content });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : await answer.json();
}

export async function uploadText(asking: Asking, text: string): Promise<string> {
  const form = new FormData();
  form.append('purpose', 'fine-tune');
  form.append('file', new File([text], 'rows.jsonl'));
  return ((await ask(asking, 'POST', '/files', form)) as { id: string }).id;
}

export async function createJob(asking: Asking, body: object): Promise<string> {
  return ((await ask(asking, 'POST', '/fine_tuning/jobs', body)) as { id: string }).id;
}

export async function deleteFile(asking: Asking, id: string): Promise<void> {
  await ask(asking, 'DELETE', `/files/${id}`);
}

/** Rows for a chat model, as a file of OpenAI's. */
export function toChatText(
  count: number,
  answer: (i: number) => string = (i) => `The answer to question ${i} is long enough to be no label at all.`,
): string {
  const rows = Array.from({ length: count }, (_, i) => ({
    messages: [
      { role: 'system', content: 'Answer.' },
      { role: 'user', content: `question ${i}` },
      { role: 'assistant', content: answer(i) },
    ],
  }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export function toPreferenceText(count: number): string {
  const rows = Array.from({ length: count }, (_, i) => ({
    input: { messages: [{ role: 'user', content: `question ${i}` }] },
    preferred_output: [{ role: 'assistant', content: `a good answer ${i}` }],
    non_preferred_output: [{ role: 'assistant', content: `a bad answer ${i}` }],
  }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export async function cancelJob(asking: Asking, id: string): Promise<void> {
  await ask(asking, 'POST', `/fine_tuning/jobs/${id}/cancel`);
}

/**
 * What many scripts do at Together, with the official client and its defaults: upload, create, write down what was made, follow the job.
 * Started again, it goes on from what it wrote down. The harness kills it as it kills the program, to show what the protocol is for.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Together from 'together-ai';

const client = new Together({ baseURL: process.env['TOGETHER_BASE_URL'], timeout: Number(process.env['KILLS_TIMEOUT_MS']) });

/** What was done is not done again, as far as it was written down. */
async function once(name: string, make: () => Promise<string>): Promise<string> {
  if (!existsSync(name)) writeFileSync(name, await make());
  return readFileSync(name, 'utf8');
}

const prompt = [{ role: 'user', content: 'Is it good or bad?' }];
const file = await once('file-id', async () => {
  const messages = (label: string): string => JSON.stringify({ messages: [...prompt, { role: 'assistant', content: label }] });
  const rows = Array.from({ length: 12 }, (_, i) => `${messages(i % 2 === 0 ? 'good' : 'bad')}\n`).join('');
  // The client's own upload (0.52.0) does not work here: it calls `require` in a module, and sends a stream without `duplex`.
  const fields = new URLSearchParams({ purpose: 'fine-tune', file_name: 'train.jsonl', file_type: 'jsonl' }).toString();
  const headers = { authorization: `Bearer ${client.apiKey}`, 'content-type': 'application/x-www-form-urlencoded' };
  const begun = await fetch(`${client.baseURL}/files?${fields}`, { method: 'POST', headers, body: fields, redirect: 'manual' });
  const id = begun.headers.get('x-together-file-id')!;
  await fetch(begun.headers.get('location')!, { method: 'PUT', body: rows });
  await client.post(`/files/${id}/preprocess`);
  return id;
});
while ((await client.files.retrieve(file)).processing_status !== 'COMPLETED') await sleep(50);
const job = await once('job-id', async () => {
  return (await client.fineTuning.create({ model: 'Qwen/Qwen3-8B', training_file: file, suffix: 'naive' })).id;
});
for (let status = ''; !['completed', 'error', 'cancelled'].includes(status); await sleep(10)) {
  ({ status } = await client.fineTuning.retrieve(job));
}

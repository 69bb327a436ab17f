/**
 * What many scripts do, with the official client and its defaults: upload, create, write the job's id down, follow the job. Started again,
 * it goes on with the id where there is one. The harness kills it as it kills the program, to show what the protocol is for.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ timeout: Number(process.env['KILLS_TIMEOUT_MS']) });

async function submit(): Promise<string> {
  const messages = (label: string): string => JSON.stringify({ messages: [...prompt, { role: 'assistant', content: label }] });
  const rows = Array.from({ length: 12 }, (_, i) => messages(i % 2 === 0 ? 'good' : 'bad'));
  const file = await client.files.create({ file: await toFile(Buffer.from(rows.join('\n')), 'train.jsonl'), purpose: 'fine-tune' });
  const method = { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1 } } } as const;
  const job = await client.fineTuning.jobs.create({
    model: 'gpt-4.1-mini-2025-04-14',
    training_file: file.id,
    method,
    metadata: { orchestrate_key: 'naive', orchestrate_attempt: '1' },
  });
  writeFileSync('job-id', job.id);
  return job.id;
}

const prompt = [{ role: 'user', content: 'Is it good or bad?' }];
const id = existsSync('job-id') ? readFileSync('job-id', 'utf8') : await submit();
for (let status = ''; !['succeeded', 'failed', 'cancelled'].includes(status); await sleep(10)) {
  ({ status } = await client.fineTuning.jobs.retrieve(id));
}

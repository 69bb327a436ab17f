import { randomUUID } from 'node:crypto';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, toSystemCode } from '../../src/failure.ts';
import type { TrainerEvent } from '../../src/trainer/files.ts';

/** Writes a JSON file so that a reader sees the old one or the new one, never a part. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(temporary, path);
}

/** The trainer's events after a byte offset, whole lines only, and the offset after them. No file is no events. */
export async function readTrainerEvents(folder: string, offset: number): Promise<{ events: TrainerEvent[]; offset: number }> {
  const path = join(folder, 'events.jsonl');
  const bytes = await readFrom(path, offset);
  const end = bytes.lastIndexOf(0x0a) + 1;
  const events: TrainerEvent[] = [];
  for (const line of bytes.toString('utf8', 0, end).split('\n')) {
    if (line === '') continue;
    try {
      events.push(JSON.parse(line) as TrainerEvent);
    } catch (error) {
      throw new Failure('unexpected', `${path}: the trainer wrote a line that is no JSON: ${line.slice(0, 100)}`, { error });
    }
  }
  return { events, offset: offset + end };
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    if (toSystemCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** The last lines that the trainer printed outside its events: what a crash leaves. */
export async function readLogTail(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'trainer.log'), 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-5).join('\n');
}

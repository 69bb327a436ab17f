/** The trainer's side of its run folder: the fence and the control file (see files.ts). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, toSystemCode } from '../errors.ts';
import type { ControlFile, FenceFile } from './files.ts';

/** Whether attempts up to and including this one must not start any more. To be asked while the lock is held. */
export function isFenced(folder: string, attempt: number): boolean {
  const fence = readIfPresent<FenceFile>(join(folder, 'fence.json'));
  return fence !== null && attempt <= fence.attempt;
}

/**
 * What is wanted of a running trainer, or null.
 * @throws Failure `file-missing` where the folder was taken away: a trainer without one works for nobody
 */
export function readControlRequest(folder: string): ControlFile['command'] | null {
  if (!existsSync(join(folder, 'train.json'))) throw new Failure('file-missing', `the run folder was taken away: ${folder}`);
  return readIfPresent<ControlFile>(join(folder, 'control.json'))?.command ?? null;
}

/** Files that others write by rename, and may take away: whole or absent. */
function readIfPresent<T>(path: string): T | null {
  if (!existsSync(path)) return null; // asked at each step: an error would cost more
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if (toSystemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

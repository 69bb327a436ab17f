import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectThat, inWorld, toStored } from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { LawSubject, LawWorld } from './subject.ts';
import type { JobRef, Observation } from '../provider/job.ts';
import { isTerminalPhase, type TerminalPhase } from '../provider/status.ts';

export type Look = Observation<unknown>;

/** A job from its creation to its end, as a provider told it. */
export interface Life {
  readonly end: TerminalPhase;
  readonly ready: Omit<Ready, 'c'>;
  readonly job: JobRef;
  readonly found: readonly JobRef[];
  /** From cursor to cursor; the last one saw the end. */
  readonly looks: readonly Look[];
  /** After the end, at the cursor before each of `looks` and at the last one. The first is at no cursor: it sees all. */
  readonly replays: readonly Look[];
  /** What the subject's snapshot gave before and after the replays; undefined where it takes none. */
  readonly before: unknown;
  readonly after: unknown;
  /** The text of every file in the work folder; empty unless the subject has secrets. */
  readonly files: readonly string[];
}

/** Gives the life for an end. It is lived once, however often it is asked for: a training may take long. */
export function createLives<World extends LawWorld>(subject: LawSubject<World>): (end: TerminalPhase) => Promise<Life> {
  const lives = new Map<TerminalPhase, Promise<Life>>();
  return async (end) => {
    const life = lives.get(end) ?? inWorld(subject, async (world) => await live(subject, world, end));
    lives.set(end, life);
    return await life;
  };
}

/** Between looks where the provider leaves it open. */
export const pauseMs = 1000;

/** More looks than any job of a law needs. */
const mostLooks = 10_000;

async function live<World extends LawWorld>(subject: LawSubject<World>, world: World, end: TerminalPhase): Promise<Life> {
  const { input, bring } = subject.ends[end]!;
  const ready = await makeReady(world, input ?? subject.inputs.base);
  const { c } = ready;
  const job = toStored(await world.provider.create(ready.wire, c));
  const found = await look(world, ready, [job]);
  const looks: Look[] = [];
  const observe = async (seen: Look | undefined): Promise<Look> =>
    await world.provider.observe(job, seen === undefined ? null : toStored(seen.cursor), c);
  while (looks.length === 0 || !isTerminalPhase(looks.at(-1)!.status.phase)) {
    const seen = await observe(looks.at(-1));
    looks.push(seen);
    if (looks.length === 1) await bring?.(world, job);
    expectThat(looks.length <= mostLooks, `a job that is to be ${end}`, `an end within ${mostLooks} looks`, seen.status);
    await c.wait(seen.nextInMs ?? pauseMs);
  }
  const before = await subject.snapshot?.(world);
  const replays: Look[] = [];
  for (const seen of [undefined, ...looks]) replays.push(await observe(seen));
  const after = await subject.snapshot?.(world);
  const files = subject.secrets === undefined ? [] : await readFiles(c.workDir);
  return { end, ready, job, found, looks, replays, before, after, files };
}

async function readFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(paths.map(async (path) => `${path}\n${await readFile(path, 'latin1')}`));
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectThat, inEnvironment, toStored } from './checks.ts';
import { look, makeReady, type Ready } from './ready.ts';
import type { ConformanceTarget, ConformanceEnvironment } from './subject.ts';
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
export function createLives<World extends ConformanceEnvironment>(
  subject: ConformanceTarget<World>,
): (end: TerminalPhase) => Promise<Life> {
  const lives = new Map<TerminalPhase, Promise<Life>>();
  return async (end) => {
    const life = lives.get(end) ?? inEnvironment(subject, async (environment) => await live(subject, environment, end));
    lives.set(end, life);
    return await life;
  };
}

/** Between looks where the provider leaves it open. */
export const pauseMs = 1000;

/** More looks than any job of a law needs. */
const mostLooks = 10_000;

async function live<World extends ConformanceEnvironment>(
  subject: ConformanceTarget<World>,
  environment: World,
  end: TerminalPhase,
): Promise<Life> {
  const { input, bring } = subject.ends[end]!;
  const ready = await makeReady(environment, input ?? subject.inputs.base);
  const { context } = ready;
  const job = toStored(await environment.provider.training.create(ready.wire, context));
  const found = await look(environment, ready, [job]);
  const looks: Look[] = [];
  const observe = async (seen: Look | undefined): Promise<Look> =>
    await environment.provider.training.observe(job, seen === undefined ? null : toStored(seen.cursor), context);
  while (looks.length === 0 || !isTerminalPhase(looks.at(-1)!.status.phase)) {
    const seen = await observe(looks.at(-1));
    looks.push(seen);
    if (looks.length === 1) await bring?.(environment, job);
    expectThat(looks.length <= mostLooks, `a job that is to be ${end}`, `an end within ${mostLooks} looks`, seen.status);
    await context.wait(seen.nextInMs ?? pauseMs);
  }
  const before = await subject.snapshot?.(environment);
  const replays: Look[] = [];
  for (const seen of [undefined, ...looks]) replays.push(await observe(seen));
  const after = await subject.snapshot?.(environment);
  const files = subject.secrets === undefined ? [] : await readFiles(context.workDir);
  return { end, ready, job, found, looks, replays, before, after, files };
}

async function readFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(paths.map(async (path) => `${path}\n${await readFile(path, 'latin1')}`));
}

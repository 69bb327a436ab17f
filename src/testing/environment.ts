import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { join } from 'node:path';
import type { Attempt } from '../provider/context.ts';
import type { JobRef, Observation } from '../provider/job.ts';
import type { TranslationInput } from '../provider/provider.ts';
import { isTerminalPhase, type TerminalPhase } from '../provider/status.ts';
import type { ConformanceEnvironment, ConformanceTarget, ConformanceTest } from './target.ts';

/** `lacks`: what the provider or the target does not have, without which nothing can be checked. */
export function createTest(name: string, lacks: string | null, run: () => Promise<void>): ConformanceTest {
  return { name, skipped: lacks === null ? null : `no ${lacks}`, run: lacks === null ? run : async () => await Promise.resolve() };
}

/** Runs `use` in a new environment. */
export async function inEnvironment<Environment extends { close?(): Promise<void> }, T>(
  target: { createEnvironment(): Promise<Environment> },
  use: (environment: Environment) => Promise<T>,
): Promise<T> {
  const environment = await target.createEnvironment();
  try {
    return await use(environment);
  } finally {
    await environment.close?.();
  }
}

export function createLiveSignal(): AbortSignal {
  return new AbortController().signal;
}

/** What the store gives back for a value that was stored. */
export function copyStored<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** An attempt that is ready for `create`. */
export interface ReadyAttempt {
  readonly request: unknown;
  readonly prepared: unknown;
  readonly wire: unknown;
  readonly context: Attempt;
}

/** Translates, prepares and binds, with everything stored in between, as the program does it. */
export async function prepareAttempt(
  { provider, toAttempt }: ConformanceEnvironment,
  input: TranslationInput,
  attempt = 1,
): Promise<ReadyAttempt> {
  const context = toAttempt(input.key, attempt, createLiveSignal());
  const request = copyStored(provider.training.translate(structuredClone(input)).request);
  const prepared = copyStored(await provider.training.prepare(request, context));
  return { request, prepared, wire: copyStored(provider.training.bind(request, prepared, context.key, attempt)), context };
}

/** The listed jobs; where `expected` are not all there yet, once more after `listingDelayMs`. */
export async function findJobs(
  { provider }: ConformanceEnvironment,
  { request, prepared, context }: ReadyAttempt,
  expected: readonly JobRef[],
): Promise<readonly JobRef[]> {
  const jobs = await provider.training.find(request, [prepared], context);
  if (expected.every((job) => jobs.some(({ id }) => id === job.id))) return jobs;
  await context.wait(provider.listingDelayMs);
  return await provider.training.find(request, [prepared], context);
}

export type AnyObservation = Observation<unknown>;

/** A job from its creation to its end, as a provider reported it. */
export interface JobHistory {
  readonly end: TerminalPhase;
  readonly ready: ReadyAttempt;
  readonly job: JobRef;
  readonly found: readonly JobRef[];
  /** From cursor to cursor; the last one saw the end. */
  readonly observations: readonly AnyObservation[];
  /** After the end, at the cursor before each of `observations` and at the last one. The first is without a cursor: it sees everything. */
  readonly replays: readonly AnyObservation[];
  /** What the target's snapshot gave before and after the replays; undefined where it makes none. */
  readonly before: unknown;
  readonly after: unknown;
  /** The text of every file in the work folder; empty unless the target has secrets. */
  readonly files: readonly string[];
}

/** Gives the history for an end. It is made once, however often it is asked for: a training may take long. */
export function createHistories<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
): (end: TerminalPhase) => Promise<JobHistory> {
  const histories = new Map<TerminalPhase, Promise<JobHistory>>();
  return async (end) => {
    const made = histories.get(end) ?? recordHistory(target, end);
    histories.set(end, made);
    return await made;
  };
}

/** Between observations where the provider leaves it open. */
export const pauseMs = 1000;

/** More observations than any job of a test needs. */
export const mostObservations = 10_000;

async function recordHistory<Environment extends ConformanceEnvironment>(
  target: ConformanceTarget<Environment>,
  end: TerminalPhase,
): Promise<JobHistory> {
  return await inEnvironment(target, async (environment) => {
    const { training } = environment.provider;
    const { input, bring } = target.ends[end]!;
    const ready = await prepareAttempt(environment, input ?? target.inputs.base);
    const { context } = ready;
    const job = copyStored(await training.create(ready.wire, context));
    const found = await findJobs(environment, ready, [job]);
    const observe = async (last: AnyObservation | undefined): Promise<AnyObservation> =>
      await training.observe(job, last === undefined ? null : copyStored(last.cursor), context);
    const observations = [await observe(undefined)];
    await bring?.(environment, job);
    for (let last = observations[0]!; !isTerminalPhase(last.status.phase); observations.push(last)) {
      const isPatient = observations.length <= mostObservations;
      assert.ok(
        isPatient,
        `a job that is to be ${end}: expected an end within ${mostObservations} observations, found ${inspect(last.status)}`,
      );
      await context.wait(last.nextInMs ?? pauseMs);
      last = await observe(last);
    }
    const before = await target.snapshot?.(environment);
    const replays: AnyObservation[] = [];
    for (const last of [undefined, ...observations]) replays.push(await observe(last));
    const after = await target.snapshot?.(environment);
    const files = target.secrets === undefined ? [] : await readFiles(context.workDir);
    return { end, ready, job, found, observations, replays, before, after, files };
  });
}

async function readFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(paths.map(async (path) => `${path}\n${await readFile(path, 'latin1')}`));
}

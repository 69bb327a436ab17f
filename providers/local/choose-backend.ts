/**
 * What `auto` is: the backend on which a training ends first. Where the user has a native one, a few steps of the model's shape are measured
 * on each, once for a machine; the cache folder of the user remembers them. A training that has begun stays on its backend: see `bind`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeAtomicJson } from '../../src/lib/fs.ts';
import type { Context } from '../../src/provider/context.ts';
import { backends, defaultBackend, getInstallFolder, tfjsVersion, type BackendName } from '../../src/trainer/backends/index.ts';
import type { CheckShape } from '../../src/trainer/check-protocol.ts';
import { askTrainer } from './check.ts';

export interface Workload {
  readonly shape: CheckShape;
  readonly steps: number;
  /** Whether a step fits into the memory that the default backend can have. */
  readonly fitsDefault: boolean;
}

const Speed = z.object({ milliseconds: z.number(), startMs: z.number(), memoryBytes: z.number() });
type Speed = Readonly<z.infer<typeof Speed>>;
const Speeds = z.record(z.string(), Speed);

export interface Choice {
  readonly backend: BackendName;
  /** What was measured of it; null where there was nothing to choose from. */
  readonly speed: Speed | null;
  /** Of each that was measured, for people; null where there was nothing to choose from. */
  readonly why: string | null;
}

/** A backend that is not the default one has to save a tenth of the time: less is noise. */
const leastGain = 0.9;

/** @param measure takes the steps; for tests */
export async function chooseBackend({ shape, steps, fitsDefault }: Workload, context: Context, measure = askTrainer): Promise<Choice> {
  const present = backends.filter(({ id, check, ...backend }) => {
    const isOptional = 'isOptional' in backend && backend.isOptional;
    const isExperimental = 'isExperimental' in backend;
    return id === defaultBackend ? fitsDefault : isOptional && !isExperimental && check(context.setting) === null;
  });
  if (present.every(({ id }) => id === defaultBackend)) return { backend: defaultBackend, speed: null, why: null };
  const speeds = await measureSpeeds(present.map(({ id }) => id), { shape, context, measure }); // prettier-ignore
  const toTotal = ({ id, startMs, milliseconds }: Speed & { id: BackendName }): number =>
    (startMs + steps * milliseconds) / (id === defaultBackend ? 1 : leastGain);
  const [fastest] = speeds.toSorted((a, b) => toTotal(a) - toTotal(b));
  if (fastest === undefined) return { backend: defaultBackend, speed: null, why: 'no other backend could take a step' };
  const why = speeds.map(({ id, milliseconds }) => `${id} ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms a step`).join(', ');
  return { backend: fastest.id, speed: fastest, why };
}

interface Measuring {
  readonly shape: CheckShape;
  readonly context: Context;
  readonly measure: typeof askTrainer;
}

async function measureSpeeds(
  ids: readonly BackendName[],
  { shape, context, measure }: Measuring,
): Promise<(Speed & { id: BackendName })[]> {
  const file = join(dirname(getInstallFolder(defaultBackend, context.setting)), 'speed.json');
  const known = await readSpeeds(file);
  const missing = ids.filter((id) => known[toKey(id, shape)] === undefined);
  if (missing.length > 0) context.report?.(`measuring a few training steps on ${missing.join(' and ')}`);
  for (const id of missing) {
    const answer = await measure(id, context, shape); // one after the other: they would slow each other down
    if (!('error' in answer) && Number.isFinite(answer.loss)) known[toKey(id, shape)] = Speed.parse(answer);
  }
  if (missing.length > 0) await remember(file, known);
  return ids.flatMap((id) => {
    const speed = known[toKey(id, shape)];
    return speed === undefined ? [] : [{ ...speed, id }];
  });
}

/** What a measurement holds for: a backend on this machine, and a shape. */
function toKey(id: BackendName, shape: CheckShape): string {
  const place = [id, tfjsVersion, process.versions.node, cpus()[0]?.model ?? '', availableParallelism()];
  return `${id} ${createHash('sha256')
    .update(JSON.stringify([place, shape]))
    .digest('hex')
    .slice(0, 16)}`;
}

async function readSpeeds(file: string): Promise<Record<string, Speed>> {
  try {
    return Speeds.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return {}; // it is a cache: what cannot be read is measured again
  }
}

/** Where it cannot be written it is measured again the next time. */
async function remember(file: string, speeds: Readonly<Record<string, Speed>>): Promise<void> {
  await mkdir(dirname(file), { recursive: true }).catch(() => null);
  await writeAtomicJson(file, speeds, 'measured speeds').catch(() => null);
}

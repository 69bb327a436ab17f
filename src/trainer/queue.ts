/**
 * The queue of trainings on this machine that share a state folder. Each trainer writes a numbered ticket and waits until fewer than
 * `jobs` trainers that live stand before it. Whether one lives, the lock of its run folder tells: the ticket of a killed one counts for
 * nothing, and nobody has to start the next one.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Failure } from '../errors.ts';
import { writeAtomicJson } from '../lib/fs.ts';
import { takeRunLock } from '../lib/run-lock.ts';

/** What a trainer is told when it starts. */
export const Queue = z.object({
  /** Absolute path of the folder of the tickets. */
  folder: z.string(),
  /** How many trainings may run at the same time. */
  jobs: z.int().positive(),
  /** What others call this training while they wait for it. */
  name: z.string(),
});
export type Queue = Readonly<z.infer<typeof Queue>>;

const Ticket = z.object({ folder: z.string(), name: z.string() });
type Ticket = Readonly<z.infer<typeof Ticket>>;

/** A place in the queue, held until `leave`. */
export interface Place {
  /** The name of the training that has to end first; null where it is this one's turn. */
  findBlocker(): string | null;
  leave(): void;
}

const lockMs = 10_000;
const digits = 9;

/** Takes the last place. The caller holds the lock of its run folder, by which others see that it lives. */
export async function joinQueue({ folder, jobs, name }: Queue, runFolder: string): Promise<Place> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = takeRunLock(join(folder, 'lock.db'), lockMs);
  if (lock === null) throw new Failure('timeout', `a process holds the lock of the queue: ${folder}`);
  let own: string;
  try {
    const tickets = listTickets(folder);
    for (const ticket of tickets) if (toRunName(ticket) === basename(runFolder)) rmSync(join(folder, ticket)); // of a trainer that died
    const last = Number(tickets.at(-1)?.slice(0, digits) ?? 0);
    own = `${String(last + 1).padStart(digits, '0')}-${basename(runFolder)}.json`;
    await writeAtomicJson(join(folder, own), { folder: runFolder, name } satisfies Ticket, 'ticket of the queue');
  } finally {
    lock.release();
  }
  return {
    findBlocker() {
      const before = listTickets(folder).filter((ticket) => ticket < own);
      const alive = before.flatMap((ticket) => readLiveTicket(join(folder, ticket)) ?? []);
      return alive.length < jobs ? null : alive[alive.length - jobs]!.name;
    },
    leave: () => rmSync(join(folder, own), { force: true }),
  };
}

/** The names of the tickets, the first one first. */
function listTickets(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^\d{9}-.+\.json$/.test(name))
    .sort();
}

function toRunName(ticket: string): string {
  return ticket.slice(digits + 1, -'.json'.length);
}

/** The ticket of a trainer that lives; one that does not is taken away. */
function readLiveTicket(path: string): Ticket | null {
  const ticket = parseTicket(path);
  if (ticket !== null && isAlive(ticket.folder)) return ticket;
  rmSync(path, { force: true });
  return null;
}

function parseTicket(path: string): Ticket | null {
  try {
    return Ticket.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null; // gone since it was listed, or damaged
  }
}

function isAlive(runFolder: string): boolean {
  const path = join(runFolder, 'run.lock.db');
  if (!existsSync(path)) return false;
  const lock = takeRunLock(path, 0);
  lock?.release();
  return lock === null;
}

const pollMs = 200;

/**
 * Resolves when it is this place's turn (null), or when the trainer is asked for something else.
 * @param onWait is told of the training that has to end first, each time that it is another one
 */
export async function waitForTurn<Request>(
  place: Place,
  {
    readRequest,
    onWait,
    wait = sleep,
  }: { readRequest(): Request | null; onWait(blocker: string): void; wait?(ms: number): Promise<unknown> },
): Promise<Request | null> {
  let told: string | null = null;
  for (let blocker = place.findBlocker(); blocker !== null; blocker = place.findBlocker()) {
    if (blocker !== told) onWait(blocker);
    told = blocker;
    const request = readRequest();
    if (request !== null) return request;
    await wait(pollMs);
  }
  return null;
}

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EngineEvent } from '../../src/provider-kit/trainer-events.ts';
import type { EngineName } from './request.ts';

/*
 * The programs of a job: Python files beside this one, or beside the bundle, which come as arguments of its command. They claim the attempt,
 * train, bring the model to its repository, and say in events what happens (see main.py).
 */

/** The branch whose creation claims an attempt: only one can create it. */
export const claimBranch = 'orchestrate-claim';

/** The file of events in the repository of a model. */
export const eventsFile = 'orchestrate-events.jsonl';

const programs = ['main.py', 'events.py', 'engine_log.py', 'failures.py'] as const;

/** Writes the programs, whose names and texts come in turns, and starts the first. The images keep their Python in different places. */
const launch = [
  'cd "$(mktemp -d)" || exit 1',
  '[ -d /app/env/bin ] && PATH=/app/env/bin:$PATH',
  'export PATH',
  'while [ $# -gt 0 ]; do printf %s "$2" > "$1"; shift 2; done',
  'exec python3 -u main.py',
].join('; ');

/** What a job runs. */
export function formatCommand(engine: EngineName): { readonly command: readonly string[]; readonly arguments: readonly string[] } {
  const names = [...programs, ...(engine === 'transformers' ? ['classifier.py'] : [])];
  return { command: ['bash', '-c', launch, 'orchestrate'], arguments: names.flatMap((name) => [name, readProgram(name)]) };
}

const texts = new Map<string, string>();

function readProgram(name: string): string {
  const text = texts.get(name) ?? readFileSync(new URL(`./container/${name}`, import.meta.url), 'utf8');
  texts.set(name, text);
  return text;
}

/** An event of the container, counted from 1. */
const ContainerEvent = z.object({ n: z.int().min(1) }).and(EngineEvent);
export type ContainerEvent = z.infer<typeof ContainerEvent>;

const prefix = 'orchestrate-event ';

/** The event in a line of a job's log, with redacted texts; null for every other line. */
export function parseEventLine(line: string, redact: (text: string) => string): ContainerEvent | null {
  return line.startsWith(prefix) ? parseEvent(line.slice(prefix.length), redact) : null;
}

/** An event as JSON, with redacted texts: it is stored. Null for an event of another version of the program. */
export function parseEvent(json: string, redact: (text: string) => string): ContainerEvent | null {
  const redactText = (_: string, value: unknown): unknown => (typeof value === 'string' ? redact(value) : value);
  try {
    return ContainerEvent.safeParse(JSON.parse(json, redactText)).data ?? null;
  } catch {
    return null;
  }
}

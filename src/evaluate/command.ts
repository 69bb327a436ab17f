import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { Failure, toSystemCode } from '../errors.ts';
import { hashFile } from '../lib/fs.ts';
import { hashJson } from '../lib/json.ts';
import { readLines } from '../lib/lines.ts';
import { spawnCommand, stopCommand } from '../lib/process.ts';
import { formatValue } from '../lib/text.ts';
import type { Prediction, PredictionRow } from '../provider/prediction.ts';
import type { Workspace } from '../run/workspace.ts';
import type { Store } from '../store/open-store.ts';
import { getUnanswered, readAnswers, storeAnswers } from './answers.ts';
import { formatIssue } from './predictions-file.ts';
import { toInput, type InputRow } from './requests.ts';

/** A user's own command that answers rows. */
export interface Command {
  /** The reference's name, for messages. */
  readonly name: string;
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** Where it runs. */
  readonly folder: string;
  /** The credentials of services that it gets. */
  readonly env: readonly string[];
}

/** A command that writes nothing for so long is taken for stuck. */
const longestSilenceMs = 600_000;

/** Larger files are data, not scripts. */
const mostScriptBytes = 2 ** 24;

/**
 * The requests to a command, one a row. Their identifiers change with everything visible that decides the answers: the words of the
 * command, its folder, the scripts among its words (files named from the folder), and the row.
 */
export async function buildCommandRequests({ words, folder }: Omit<Command, 'env'>, rows: readonly InputRow[]): Promise<PredictionRow[]> {
  const scripts = await Promise.all(words.map(async (word) => (isAbsolute(word) ? null : await hashScript(resolve(folder, word)))));
  const command = hashJson({ words, folder, scripts });
  return rows.map((row) => {
    const input = toInput(row);
    return { id: hashJson({ command, input }), ...input };
  });
}

async function hashScript(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  return found === null || !found.isFile() || found.size > mostScriptBytes ? null : await hashFile(path);
}

/**
 * Has a command answer the requests without a stored answer: rows as JSON lines on its standard input, answers as JSON lines, in any
 * order, on its standard output. Each whole line is stored as it comes.
 * @throws Failure `response-invalid` (a line that is no answer, a row with no answer or two, an exit status other than 0), `timeout` where
 *   the command writes nothing for too long, `job-file-invalid` where it cannot be started
 */
export async function runCommand(
  { store, context: { signal } }: Pick<Workspace, 'store' | 'context'>,
  command: Command,
  { requests, silenceMs = longestSilenceMs }: { readonly requests: readonly PredictionRow[]; readonly silenceMs?: number },
): Promise<void> {
  const open = getUnanswered(requests, await readAnswers(store, requests));
  if (open.length === 0) return;
  signal.throwIfAborted();
  const place = `references.${command.name} (${command.words.join(' ')})`;
  const child = spawnCommand(command.words, command);
  const stdout = child.stdout!; // none where the system opens no more files: `spawn` says so
  let isSilent = false;
  const stop = (): void => {
    stopCommand(child);
    child.stdout?.destroy(); // another process may hold its other end
  };
  const timer = setTimeout(() => {
    isSilent = true;
    stop();
  }, silenceMs);
  signal.addEventListener('abort', stop);
  try {
    await once(child, 'spawn');
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child.stdin!.on('error', () => {}); // a command that ends early closes the pipe; its exit status says why
    child.stdin!.end(open.map((request) => `${JSON.stringify(request)}\n`).join(''));
    const output = createOutputReader(store, place, open);
    let cut: readonly Buffer[] = [];
    for await (const lines of readLines(refreshTimer(stdout, timer), `${place}, its output`)) {
      cut = lines.filter((line) => line.at(-1) !== 0x0a); // the last line may be incomplete
      await output.readLines(lines.filter((line) => line.at(-1) === 0x0a));
    }
    const [status, killedBy] = await exited;
    if (status !== 0) {
      const end = status === null ? `was ended by ${killedBy}` : `ended with status ${status}`;
      throw new Failure('response-invalid', `${place} ${end}, after ${output.lineOf.size} of ${open.length} answers`, {
        hint: 'its answers are stored, and only the other rows are sent again',
      });
    }
    await output.readLines(cut);
    const missing = open.find(({ id }) => !output.lineOf.has(id));
    if (missing !== undefined) {
      const found = `${output.lineOf.size}; the first row without one is ${formatValue(missing.id)}`;
      throw new Failure('response-invalid', `${place}: expected ${open.length} answers, found ${found}`, {
        hint: 'run the command again: the answers are stored, and only the other rows are sent again',
      });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isSilent) {
      throw new Failure('timeout', `${place} wrote nothing for ${silenceMs / 1000} s and was ended`, {
        hint: 'the command has to write an answer for each row and then end; the answers that it wrote are stored',
      });
    }
    if (!['ENOENT', 'EACCES'].includes(toSystemCode(error) ?? '')) throw error;
    throw new Failure('job-file-invalid', `${place} cannot be started in ${command.folder}: ${(error as Error).message}`, { error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Each piece of output starts the timer again. */
async function* refreshTimer(stdout: Readable, timer: NodeJS.Timeout): AsyncGenerator<Buffer> {
  for await (const chunk of stdout) {
    timer.refresh();
    yield chunk as Buffer;
  }
}

/** A message says what is expected. */
const AnswerLine = z.looseObject(
  {
    id: z.string('the id of a row'),
    answer: z.string('a text, or null').nullable(),
    probabilities: z.record(z.string(), z.number('a number'), 'an object of probabilities by label').nullable().default(null),
  },
  'an object {"id", "answer"}',
);

const decoder = new TextDecoder('utf-8', { fatal: true });

interface OutputReader {
  /** Stores the answers of whole lines. @throws Failure `response-invalid` for a line that is no answer; the ones before it are stored */
  readLines(lines: readonly Buffer[]): Promise<void>;
  /** The line of each answer, by the identifier of its row. */
  readonly lineOf: ReadonlyMap<string, number>;
}

/** @param place names the command in errors. */
function createOutputReader(store: Store, place: string, requests: readonly PredictionRow[]): OutputReader {
  const ids = new Set(requests.map(({ id }) => id));
  const lineOf = new Map<string, number>();
  let number = 0;
  const parseLine = (line: Buffer): Prediction => {
    const fail = (problem: string): Failure =>
      new Failure('response-invalid', `${place}, line ${number} of its output: ${problem}`, {
        hint: 'the command has to write {"id", "answer"} for each row that it reads, one a line, and nothing else; logs belong on standard error',
      });
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(line));
    } catch {
      throw fail(`expected JSON, found ${formatValue(line.toString().trim())}`);
    }
    const parsed = AnswerLine.safeParse(value);
    if (!parsed.success) throw fail(formatIssue(parsed.error, value));
    const { id, answer, probabilities } = parsed.data;
    if (!ids.has(id)) throw fail(`expected the id of a row that was sent, found ${formatValue(id)}`);
    const first = lineOf.get(id);
    if (first !== undefined) throw fail(`expected one answer a row, found a second one to the row ${formatValue(id)} of line ${first}`);
    lineOf.set(id, number);
    return { id, answer, probabilities, truncated: false };
  };
  return {
    lineOf,
    async readLines(lines) {
      const answers: Prediction[] = [];
      try {
        for (const line of lines) {
          number++;
          if (line.some((byte) => byte > 0x20)) answers.push(parseLine(line));
        }
      } finally {
        await storeAnswers(store, answers);
      }
    },
  };
}

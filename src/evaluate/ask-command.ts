import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { readLines } from '../lib/lines.ts';
import { Failure, toSystemCode } from '../errors.ts';
import { spawnCommand, stopCommand } from '../lib/process.ts';
import { toUnanswered, type AnswerWorkspace } from './answer-rows.ts';
import { createAnswerReader } from './command-answers.ts';
import { toInput } from './predictions-file.ts';
import { keepAnswers, readAnswers } from './stored-answers.ts';
import type { AskedRow, PredictRequest } from './to-question.ts';
import { hashJson } from '../lib/json.ts';

/** A user's own command that answers rows. */
export interface Command {
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** Where it runs. */
  readonly folder: string;
}

/** A command that is scored, with what it is asked: one question a row, in the rows' order. */
export interface CommandEntrant {
  /** The reference's. */
  readonly name: string;
  readonly command: Command;
  readonly questions: readonly PredictRequest[];
}

/** A command that says nothing for so long is taken for stuck. */
const longestSilenceMs = 600_000;

/** Larger ones are data. */
const mostScriptBytes = 2 ** 24;

/**
 * What a command is asked of rows. The keys change with all that can be seen to decide the answers: the words of the command, its
 * folder, the scripts among its words (files named from the folder), and the row.
 */
export async function toCommandQuestions({ words, folder }: Command, rows: readonly AskedRow[]): Promise<PredictRequest[]> {
  const scripts = await Promise.all(words.map(async (word) => (isAbsolute(word) ? null : await hashScript(resolve(folder, word)))));
  const command = hashJson({ words, folder, scripts });
  return rows.map((row) => {
    const input = toInput(row);
    return { id: hashJson({ command, input }), ...input };
  });
}

async function hashScript(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size > mostScriptBytes) return null;
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/**
 * Has a command answer what it has not answered yet: rows as JSON lines on its standard input, answers as JSON lines, in any order,
 * on its standard output. Each whole line is kept as it comes.
 * @throws Failure `response-invalid` (a line that is no answer, a row without or with two of them, an exit status other than 0),
 * `timeout` where it says nothing for so long, `job-file-invalid` where it cannot be started
 */
export async function askCommand(
  { store, context }: AnswerWorkspace,
  entrant: CommandEntrant,
  silenceMs = longestSilenceMs,
): Promise<void> {
  const { command, questions } = entrant;
  const open = toUnanswered(questions, await readAnswers(store, [...new Set(questions.map(({ id }) => id))]));
  if (open.length === 0) return;
  const { signal } = context;
  signal.throwIfAborted();
  const place = `references.${entrant.name} (${command.words.join(' ')})`;
  const child = spawnCommand(command.words, command.folder);
  const stdout = child.stdout!;
  let isSilent = false;
  const stop = (): void => {
    stopCommand(child);
    stdout.destroy(); // somebody else may hold its other end
  };
  const timer = setTimeout(() => {
    isSilent = true;
    stop();
  }, silenceMs);
  signal.addEventListener('abort', stop);
  try {
    await once(child, 'spawn');
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child.stdin!.on('error', () => {}); // a command that ends early closes the pipe; its exit says why
    child.stdin!.end(open.map((question) => `${JSON.stringify(question)}\n`).join(''));
    const reader = createAnswerReader(place, open);
    for await (const lines of readLines(toHeard(stdout, timer), `${place}, its output`)) {
      try {
        reader.read(lines);
      } finally {
        await keepAnswers(store, reader.take());
      }
    }
    const [status, killedBy] = await exited;
    if (isSilent) throw toSilentFailure(place, silenceMs);
    if (status !== 0) {
      const end = status === null ? `was ended by ${killedBy}` : `ended with status ${status}`;
      throw new Failure('response-invalid', `${place} ${end}, after ${reader.answered()} of ${open.length} answers`, {
        hint: 'what it was able to answer is kept and not asked again',
      });
    }
    reader.end();
    await keepAnswers(store, reader.take());
  } catch (error) {
    signal.throwIfAborted();
    if (isSilent) throw toSilentFailure(place, silenceMs);
    throw toSystemCode(error) === 'ENOENT' || toSystemCode(error) === 'EACCES' ? toUnstartedFailure(place, command, error) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Each piece of output puts the timer back. */
async function* toHeard(stdout: Readable, timer: NodeJS.Timeout): AsyncGenerator<Buffer> {
  for await (const chunk of stdout) {
    timer.refresh();
    yield chunk as Buffer;
  }
}

function toSilentFailure(place: string, silenceMs: number): Failure {
  return new Failure('timeout', `${place} wrote nothing for ${silenceMs / 1000} s and was ended`, {
    hint: 'it has to write an answer for each row and then end; what it has answered is kept',
  });
}

function toUnstartedFailure(place: string, { folder }: Command, error: unknown): Failure {
  return new Failure('job-file-invalid', `${place} cannot be started in ${folder}: ${(error as Error).message}`, { error });
}

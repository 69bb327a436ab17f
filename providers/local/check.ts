/** Whether the backends compute on this machine: each takes a real training step, in a process of its own. */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { FailureData } from '../../src/errors.ts';
import { spawnCheck } from '../../src/lib/process.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Check } from '../../src/provider/provider.ts';
import { backends, folderSetting, getBackend, isBackendName, placeSettings } from '../../src/trainer/backends/index.ts';
import type { CheckAnswer, CheckShape } from '../../src/trainer/check-protocol.ts';

export async function check(context: Context): Promise<Check[]> {
  return await Promise.all(backends.map(async ({ id }) => await checkBackend(id, context)));
}

/** Settings that the trainer reads itself: where the user has native backends. */
export function getTrainerSettings({ setting }: Pick<Context, 'setting'>): NodeJS.ProcessEnv {
  return Object.fromEntries(placeSettings.flatMap((name) => [[name, setting(name) ?? undefined]]));
}

/** One backend; `folder`: with the package that is there, and in no other place. */
export async function checkBackend(id: string, context: Context, folder?: string): Promise<Check> {
  if (!isBackendName(id)) throw new TypeError(`no backend: ${id}`);
  const { description, precision, threads, hint, isOptional = false, ...backend } = getBackend(id);
  const name = `backend ${id}`;
  const setting = (key: string): string | null => (folder !== undefined && key === folderSetting ? folder : context.setting(key));
  const problem = backend.check(setting);
  if (problem !== null) return { name, ok: isOptional ? null : false, found: problem, hint };
  const answer = await askTrainer(id, { ...context, setting });
  if ('error' in answer) return { name, ok: false, found: answer.error, hint };
  const { milliseconds, loss, native } = answer;
  const ok = Number.isFinite(loss);
  const computes = `${precision}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  const what =
    native === null
      ? description
      : `${native.version} in ${native.folder}; ${native.device}${native.warning === null ? '' : `; ${native.warning}`}`;
  return { name, ok, found: `a training step in ${milliseconds.toFixed(1)} ms (${what}; ${computes})`, hint: ok ? null : hint };
}

/** Steps on a backend in a process of its own, of a small network or of this shape; or why there are none. */
export async function askTrainer(id: string, context: Context, shape?: CheckShape): Promise<CheckAnswer | { readonly error: string }> {
  const child = spawnCheck(id, { signal: context.signal, env: getTrainerSettings(context), shape });
  await once(child, 'spawn');
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [printed, errors, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  if (status !== 0) return { error: parseMessage(errors.trim().split('\n').at(-1)!) || `status ${status}` };
  return JSON.parse(printed) as CheckAnswer;
}

/** The message of a failure, as the process prints one in a line of JSON; else the line. */
function parseMessage(line: string): string {
  try {
    return (JSON.parse(line) as { failure: FailureData }).failure.message;
  } catch {
    return line;
  }
}

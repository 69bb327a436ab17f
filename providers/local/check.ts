import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Context } from '../../src/provider/context.ts';
import type { Check } from '../../src/provider/provider.ts';
import { spawnCheck } from '../../src/lib/process.ts';
import type { BackendName } from '../../src/trainer/backends.ts';
import type { CheckAnswer } from '../../src/trainer/protocol.ts';

const backends: readonly { readonly name: BackendName; readonly what: string; readonly hint: string }[] = [
  { name: 'wasm', what: 'WebAssembly with SIMD', hint: 'needs a processor with SIMD and a whole installation: install the package again' },
  { name: 'cpu', what: 'plain JavaScript, slow', hint: 'install the package again' },
];

/** Takes a real training step on each backend, in a process of its own. */
export async function check(context: Context): Promise<Check[]> {
  return await Promise.all(backends.map(async (backend) => await checkBackend(backend, context)));
}

async function checkBackend({ name, what, hint }: (typeof backends)[number], context: Context): Promise<Check> {
  const child = spawnCheck(name, context.signal);
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [printed, said, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  if (status !== 0) return { name: `backend ${name}`, ok: false, found: said.trim().split('\n').at(-1) ?? `status ${status}`, hint };
  const { milliseconds, loss } = JSON.parse(printed) as CheckAnswer;
  const ok = Number.isFinite(loss);
  return { name: `backend ${name}`, ok, found: `a training step in ${milliseconds.toFixed(1)} ms (${what})`, hint: ok ? null : hint };
}

/** The list of what can compute. Names, settings, the doctor's checks and the bundle's files come from it. */
import { Failure } from '../../errors.ts';
import type { Backend, TensorFlow } from './backend.ts';
import { cpu } from './cpu/index.ts';
import { wasm } from './wasm/index.ts';

export type { Backend, TensorFlow } from './backend.ts';

/** A further backend is a folder beside these two and an entry here. The first one is used where nobody chooses. */
export const backends = [wasm, cpu] as const satisfies readonly Backend[];

export type BackendName = (typeof backends)[number]['id'];

export const backendNames: readonly BackendName[] = backends.map(({ id }) => id);

export const defaultBackend: BackendName = backends[0].id;

export function isBackendName(name: string | undefined): name is BackendName {
  return backendNames.some((known) => known === name);
}

export function getBackend(name: BackendName): Backend {
  return backends.find(({ id }) => id === name)!;
}

/** Starts a backend and makes it the one that computes. @throws Failure `unexpected` when it cannot be started */
export async function startBackend(name: BackendName): Promise<TensorFlow> {
  const { check, load, hint } = getBackend(name);
  const problem = check();
  const tf = problem === null ? await load() : null;
  if (tf === null)
    throw new Failure('unexpected', `the backend "${name}" could not be started${problem === null ? '' : `: ${problem}`}`, { hint });
  return tf;
}
